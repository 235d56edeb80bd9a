"""JavaScript, by Node.js; a program is a CommonJS module.

`console.assert`, which only prints in Node.js, throws: benchmarks test with it.
"""

from __future__ import annotations

from ownlm.evaluate.runners.language import VM_RUN
from ownlm.evaluate.runners.script import Script

FIRST = (
    "require('node:fs').unlinkSync(__filename); console.assert = (held, ...said) => "
    "{ if (!held) throw new Error(['Assertion failed', ...said].join(' ')); }; "
)
LAST = "\n;require('node:fs').writeSync(1, '\\n%s\\n');\n"


class JavaScript(Script):
    """JavaScript."""

    language = "javascript"
    names = ("js", "node", "nodejs")
    packages = ("nodejs",)
    tells = (("node", "--version"),)
    file = "program.js"
    command = ("node",)
    limits = VM_RUN

    def text(self, text: str, nonce: str) -> str:
        """See `Script.text`."""
        return FIRST + text + LAST % nonce
