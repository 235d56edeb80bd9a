"""Perl, with Test::Deep, which MultiPL-E's tests compare by."""

from __future__ import annotations

from ownlm.evaluate.runners.script import Script


class Perl(Script):
    """Perl 5."""

    language = "perl"
    names = ("pl",)
    packages = ("perl", "libtest-deep-perl")
    tells = (("perl", "-e", "print qq(perl $^V\\n)"),)
    needs = ("/usr/share/perl5/Test/Deep.pm",)
    file = "program.pl"
    command = ("perl",)

    def text(self, text: str, nonce: str) -> str:
        """See `Script.text`."""
        return f'BEGIN {{ unlink $0 }} {text}\n;$| = 1; print STDOUT "\\n", "{nonce}\\n";\n'
