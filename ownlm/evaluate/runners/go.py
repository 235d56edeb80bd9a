"""Go, by its compiler and linker; tests run as `go test` runs them (without vet).

The command `go` checks hundreds of packages before it compiles one file. It is asked once where the compiled standard
library and testify are; then the program is compiled as a package of its own, and a main that calls its tests is linked
to it.
"""

from __future__ import annotations

import re
from pathlib import Path

from ownlm.evaluate.runners.base import Source
from ownlm.evaluate.runners.language import COMPILE, VM_RUN, Language, encoded
from ownlm.evaluate.runners.toolchain import build, first_line, kept, path_of
from ownlm.evaluate.sandbox.program import Program, Step

MAIN = """\
package main

import (
	"io"
	"os"
	"testing"
	"testing/internal/testdeps"

	program "program"
)

var tests = []testing.InternalTest{%s}

func main() {
	nonce, _ := io.ReadAll(os.Stdin)
	if len(tests) == 0 {
		os.Stderr.WriteString("no tests\\n")
		os.Exit(1)
	}
	code := testing.MainStart(testdeps.TestDeps{}, tests, nil, nil, nil).Run()
	if code == 0 {
		os.Stdout.WriteString("\\n" + string(nonce) + "\\n")
	}
	os.Exit(code)
}
"""
TESTIFY = "/usr/share/gocode/src/github.com/stretchr/testify/assert"
_PACKAGE = re.compile(r"^package\s+\w+", re.MULTILINE)
_TEST = re.compile(r"^func\s+(Test(?![a-z])\w*)\s*\(\s*\w+\s+\*testing\.T\s*\)", re.MULTILINE)
_LISTED = "{{if .Export}}packagefile {{.ImportPath}}={{.Export}}{{end}}"


class Go(Language):
    """Go."""

    language = "go"
    names = ("golang", "go_test.go")
    packages = ("golang-go", "golang-github-stretchr-testify-dev")
    tells = (("go", "version"),)
    needs = (TESTIFY,)

    def program(self, source: Source, nonce: str) -> Program:
        """See `Runner.program`."""
        ready = libraries()
        tools = Path((ready / "tools").read_text().strip())
        tests = (f'{{Name: "{name}", F: program.{name}}}' for name in _TEST.findall(source.text))
        files = {
            "program.go": encoded(_PACKAGE.sub("package program", source.text, count=1)),
            "main.go": (MAIN % ", ".join(dict.fromkeys(tests))).encode(),
            "main.cfg": (ready / "importcfg").read_bytes() + b"packagefile program=program.a\n",
        }
        compiles = (str(tools / "compile"), "-pack", "-complete")
        steps = (
            Step((*compiles, "-importcfg=main.cfg", "-p=program", "-o=program.a", "program.go"), limits=COMPILE),
            Step((*compiles, "-importcfg=main.cfg", "-p=main", "-o=main.a", "main.go"), limits=COMPILE),
            Step((str(tools / "link"), "-s", "-w", "-importcfg=main.cfg", "-o=program", "main.a"), limits=COMPILE),
            Step(("./program",), stdin=nonce.encode(), limits=VM_RUN),
        )
        return Program(files, steps, reads=(ready,))


def libraries() -> Path:
    """The folder with the compiled standard library and testify, made once."""
    go = path_of("go")

    def make(folder: Path) -> None:
        asked = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(folder / "cache")}
        asked |= {"CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local"}
        packages = ("std", TESTIFY.partition("/src/")[2])
        listed = build((go, "list", "-export", "-deps", "-f", _LISTED, *packages), folder, **asked)
        (folder / "importcfg").write_text("".join(f"{line}\n" for line in sorted(set(listed.split("\n"))) if line))
        (folder / "tools").write_text(build((go, "env", "GOTOOLDIR"), folder, **asked))

    return kept("go", (first_line("go", "version") or "", _LISTED, TESTIFY), make)
