"""TypeScript: tsc with its type check (a type error is a compile error, as in MultiPL-E), then Node.js."""

from __future__ import annotations

import json

from ownlm.evaluate.runners import javascript
from ownlm.evaluate.runners.base import Source
from ownlm.evaluate.runners.language import COMPILE, VM_RUN, Language, encoded
from ownlm.evaluate.runners.toolchain import path_of
from ownlm.evaluate.sandbox.program import Program, Step

OPTIONS = ("--target", "es2020", "--module", "commonjs", "--skipLibCheck", "--noEmitOnError")
_REMOVE = "require('node:fs').unlinkSync('program.ts'); "


class TypeScript(Language):
    """TypeScript."""

    language = "typescript"
    names = ("ts",)
    packages = ("node-typescript", "nodejs")
    tells = (("tsc", "--version"), ("node", "--version"))

    def program(self, source: Source, nonce: str) -> Program:
        """See `Runner.program`."""
        # JavaScript's first and last statements, which no type declarations are there for: eval has none to check.
        first, last = (json.dumps(text) for text in (_REMOVE + javascript.FIRST, javascript.LAST % nonce))
        text = f"eval({first}); {source.text}\n;eval({last});\n"
        steps = (
            Step((path_of("tsc"), *OPTIONS, "program.ts"), limits=COMPILE),
            Step((path_of("node"), "program.js"), limits=VM_RUN),
        )
        return Program({"program.ts": encoded(text)}, steps)
