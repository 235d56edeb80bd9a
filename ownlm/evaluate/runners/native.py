"""Languages that gcc links: C, C++, Rust, D.

The linker's `--wrap=main` puts a main of ours before the program's, whatever language that is written in:

    start -> read the nonce from stdin (before any code of the program but its own such functions)
          -> __wrap_main -> the program's main -> it returned 0 -> print the nonce

exit(0), _exit(0), quick_exit and a thread that ends the process never come back to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ownlm.evaluate.runners.base import Source
from ownlm.evaluate.runners.language import COMPILE, RUN, Language, encoded
from ownlm.evaluate.runners.toolchain import build, first_line, kept, path_of
from ownlm.evaluate.sandbox.program import Limits, Program, Step

END = """\
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static char nonce[256];
static ssize_t length;

__attribute__((constructor(101))) static void take_nonce(void) {
    length = read(0, nonce + 1, sizeof nonce - 2);
    int empty = open("/dev/null", O_RDONLY);
    dup2(empty, 0);
    close(empty);
}

int __real_main(int count, char **arguments, char **environment);

int __wrap_main(int count, char **arguments, char **environment) {
    int code = __real_main(count, arguments, environment);
    fflush(NULL);
    if (code == 0 && length > 0) {
        nonce[0] = nonce[length + 1] = '\\n';
        if (write(1, nonce, length + 2) < 0) return 1;
    }
    return code;
}
"""
WRAP = "-Wl,--wrap=main"


def end_object() -> Path:
    """The compiled `END`, made once."""
    gcc = path_of("gcc")

    def make(folder: Path) -> None:
        (folder / "end.c").write_text(END)
        build((gcc, "-O1", "-fPIC", "-c", "end.c", "-o", "end.o"), folder)

    return kept("end", (first_line("gcc", "--version") or "", END), make) / "end.o"


class Native(Language):
    """A language compiled by one command to `./program`."""

    def program(self, source: Source, nonce: str) -> Program:
        """See `Runner.program`."""
        end = end_object()
        name, command, reads = self.compiled(source.text, str(end))
        steps = (
            Step(tuple(command), limits=COMPILE),
            Step(("./program",), stdin=nonce.encode(), limits=self.run_limits()),
        )
        return Program({name: encoded(source.text)}, steps, reads=(end.parent, *reads))

    def compiled(self, text: str, end: str) -> tuple[str, Sequence[str], Sequence[Path]]:
        """File name, command of the compiler, and kept folders it reads."""
        raise NotImplementedError

    def run_limits(self) -> Limits:
        """Of the compiled program."""
        return RUN
