"""Languages whose program is one file that an interpreter reads from top to bottom.

The tests end with one more statement, which prints the nonce. It stands in the same file, so that whatever keeps the
tests from running (exit, a return, an open comment or here-document, __END__) keeps the nonce from being printed too;
and it is written so that the file's own text has no line that is the nonce. The first statement removes the file where
the interpreter has read it whole: a program cannot read its tests or the nonce from it.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from ownlm.evaluate.runners.base import Source
from ownlm.evaluate.runners.language import RUN, Language, encoded
from ownlm.evaluate.runners.toolchain import path_of
from ownlm.evaluate.sandbox.program import Limits, Program, Step


class Script(Language):
    """A language of scripts.

    Attributes:
        file: the program's name.
        command: interpreter and options.
        limits: of the run.
    """

    file: ClassVar[str]
    command: ClassVar[tuple[str, ...]]
    limits: ClassVar[Limits] = RUN

    @abstractmethod
    def text(self, text: str, nonce: str) -> str:
        """The file: first statement on the first line (line numbers stay), the program, last statement."""

    def program(self, source: Source, nonce: str) -> Program:
        """See `Runner.program`."""
        tool, *options = self.command
        step = Step((path_of(tool), *options, self.file), limits=self.limits)
        return Program({self.file: encoded(self.text(source.text, nonce))}, (step,))
