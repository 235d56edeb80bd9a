"""PHP, by its command line."""

from __future__ import annotations

import re
from pathlib import Path

from ownlm.evaluate.runners.base import Source
from ownlm.evaluate.runners.script import Script
from ownlm.evaluate.sandbox.program import Program

_OPEN = re.compile(r"<\?php\b")


class Php(Script):
    """PHP. Only what stands after `<?php` is code: a program without it prints itself."""

    language = "php"
    names = ("php8",)
    packages = ("php-cli",)
    tells = (("php", "--version"),)
    file = "program.php"
    # Errors on stderr; memory is limited by the sandbox.
    command = ("php", "-d", "display_errors=stderr", "-d", "memory_limit=-1")

    def text(self, text: str, nonce: str) -> str:
        """See `Script.text`."""
        first = _OPEN.sub("<?php unlink(__FILE__); ", text, count=1)
        return f'{first}\n;echo "\\n", "{nonce}\\n";\n'

    def program(self, source: Source, nonce: str) -> Program:
        """See `Runner.program`."""
        scripted = super().program(source, nonce)
        configuration = Path("/etc/php")
        return Program(scripted.files, scripted.steps, reads=(configuration,) if configuration.exists() else ())
