"""Scala 2, by the compiler's own classes in one JVM with a class-data archive; run as Java is.

The archive and the compiler stopping at the JIT's first level halve the compiler's time, which still is most of it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ownlm.evaluate.runners import java
from ownlm.evaluate.runners.base import Source
from ownlm.evaluate.runners.language import COMPILE, VM_RUN, Language, encoded
from ownlm.evaluate.runners.toolchain import build, first_line, kept, path_of
from ownlm.evaluate.sandbox.program import Program, Step

SAMPLE = """\
import scala.math._
import scala.collection.mutable._
object Problem {
    def sum(all : List[Long], names : Map[String,Long]) : Option[(Long, String)] = {
        val some = for (one <- all if one % 2 == 0) yield one * 2
        some.map(_.toString).sorted.headOption match { case Some(x) => Some((some.sum, x)) case None => None }
    }
    def main(args: Array[String]) = { assert(sum(List[Long](1l), Map[String,Long]()).equals(None)); }
}
"""
_COMPILER = "scala.tools.nsc.Main"
_OPTIONS = ("-usejavacp", "-nowarn", "-d", ".")
_VM = (*java.VM, "-Xss8m")


class Scala(Language):
    """Scala."""

    language = "scala"
    packages = ("scala", "default-jdk-headless")
    tells = (("scalac", "-version"), ("java", "-version"))

    def program(self, source: Source, nonce: str) -> Program:
        """See `Runner.program`."""
        ready, end, jars = compiler(), java.compiler(), _jars()
        vm = (path_of("java"), *_VM)
        archive = f"-XX:SharedArchiveFile={ready / 'scalac.jsa'}"
        compiles = (*vm, archive, "-cp", jars, _COMPILER, *_OPTIONS, "program.scala")
        library = f"{_folder() / 'scala-library.jar'}"
        runs = (*vm, "-cp", f"{end}:.:{library}", "ProgramEnd", *java.classes(source.text))
        steps = (
            Step(compiles, limits=replace(COMPILE, cpu_seconds=120.0, wall_seconds=360.0)),
            Step(runs, stdin=nonce.encode(), limits=VM_RUN),
        )
        return Program({"program.scala": encoded(source.text)}, steps, reads=(ready, end, *java.configuration()))


def _folder() -> Path:
    return Path(path_of("scalac")).parents[1] / "lib"


def _jars() -> str:
    names = ("scala-compiler", "scala-library", "scala-reflect", "scala-xml", "scala-parser-combinators")
    return ":".join(str(_folder() / f"{name}.jar") for name in names)


def compiler() -> Path:
    """The folder with the compiler's archive, made once."""
    vm, jars = path_of("java"), _jars()

    def make(folder: Path) -> None:
        (folder / "Sample.scala").write_text(SAMPLE)
        command = (vm, *_VM, "-XX:ArchiveClassesAtExit=scalac.jsa", "-cp", jars, _COMPILER, *_OPTIONS, "Sample.scala")
        build(command, folder)
        (folder / "scalac.jsa").chmod(0o644)

    return kept("scalac", (first_line("java", "-version") or "", jars, SAMPLE, *_VM), make)
