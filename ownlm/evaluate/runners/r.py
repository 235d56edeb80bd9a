"""R, by Rscript, which reads a program statement by statement and ends at the first error."""

from __future__ import annotations

from pathlib import Path

from ownlm.evaluate.runners.base import Source
from ownlm.evaluate.runners.language import VM_RUN
from ownlm.evaluate.runners.script import Script
from ownlm.evaluate.sandbox.program import Program


class R(Script):
    """R."""

    language = "r"
    names = ("rscript",)
    packages = ("r-base-core",)
    tells = (("Rscript", "--version"),)
    file = "program.R"
    command = ("Rscript", "--vanilla")
    limits = VM_RUN

    def text(self, text: str, nonce: str) -> str:
        """See `Script.text`."""
        return f'invisible(file.remove("{self.file}")); {text}\nbase::cat("\\n", "{nonce}\\n", sep = "")\n'

    def program(self, source: Source, nonce: str) -> Program:
        """See `Runner.program`."""
        scripted = super().program(source, nonce)
        return Program(scripted.files, scripted.steps, reads=tuple(filter(Path.exists, (Path("/etc/R"),))))
