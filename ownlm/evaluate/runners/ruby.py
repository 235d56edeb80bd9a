"""Ruby, with test-unit, which MultiPL-E's tests are written for.

test-unit runs its tests when the process ends. Here they are run before, so that their outcome is known.
"""

from __future__ import annotations

from ownlm.evaluate.runners.language import VM_RUN
from ownlm.evaluate.runners.script import Script

_LAST = """
if defined?(Test::Unit::AutoRunner)
  Test::Unit::AutoRunner.need_auto_run = false
  exit!(1) unless Test::Unit::AutoRunner.run
end
STDOUT.flush; STDOUT.syswrite("\\n" + "%s\\n")
"""


class Ruby(Script):
    """Ruby."""

    language = "ruby"
    names = ("rb",)
    packages = ("ruby", "ruby-test-unit")
    tells = (("ruby", "--version"),)
    needs = ("/usr/share/rubygems-integration/*/specifications/test-unit-*.gemspec",)
    file = "program.rb"
    command = ("ruby",)
    limits = VM_RUN

    def text(self, text: str, nonce: str) -> str:
        """See `Script.text`."""
        return f"File.unlink(__FILE__); {text}\n{_LAST % nonce}"
