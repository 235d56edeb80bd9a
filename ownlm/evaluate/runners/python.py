"""Python, by the system's interpreter.

The driver keeps the nonce, takes the program's file away before the program starts (tests cannot be read from it), and
prints the nonce after the last statement. exit(0), os._exit(0) and threads that end the process never come so far.
"""

from __future__ import annotations

from ownlm.evaluate.runners.base import Source
from ownlm.evaluate.runners.language import RUN, Language, encoded
from ownlm.evaluate.runners.toolchain import path_of
from ownlm.evaluate.sandbox.program import Program, Step

DRIVER = """\
def run():
    import os, sys, types
    nonce, write = os.read(0, 256), os.write
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    with open("program.py", encoding="utf-8") as file:
        text = file.read()
    os.unlink("program.py")
    code = compile(text, "program.py", "exec", dont_inherit=True)
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    try:
        exec(code, module.__dict__)
    except BaseException:
        import linecache
        linecache.cache["program.py"] = (len(text), None, text.splitlines(True), "program.py")
        raise
    sys.__stdout__.flush()
    write(1, b"\\n" + nonce + b"\\n")


run()
"""


class Python(Language):
    """Python 3."""

    language = "python"
    names = ("py", "python3")
    packages = ("python3",)
    tells = (("python3", "--version"),)

    def program(self, source: Source, nonce: str) -> Program:
        """See `Runner.program`."""
        files = {"driver.py": DRIVER.encode(), "program.py": encoded(source.text)}
        step = Step((path_of("python3"), "-I", "-B", "driver.py"), stdin=nonce.encode(), limits=RUN)
        return Program(files, (step,))
