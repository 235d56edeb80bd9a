"""Java: javac from a class-data archive of its own (0.42 s of CPU against 0.69), java with assertions.

The main that is run is ours: it keeps the nonce, calls the program's main, and prints the nonce when that returned.
System.exit, Runtime.halt and exceptions never come back to it. The program's main is looked for in the last top-level
class first: the tests come last.
"""

from __future__ import annotations

import re
from pathlib import Path

from ownlm.evaluate.runners.base import Source
from ownlm.evaluate.runners.language import COMPILE, VM_RUN, Language, encoded
from ownlm.evaluate.runners.toolchain import build, find, first_line, kept, path_of
from ownlm.evaluate.sandbox.program import Program, Step

END = """\
import java.io.*;
import java.lang.reflect.*;

final class ProgramEnd {
    public static void main(String[] names) throws Throwable {
        byte[] nonce = System.in.readAllBytes();
        System.setIn(InputStream.nullInputStream());
        OutputStream out = new FileOutputStream(FileDescriptor.out);
        Method tests = find(names);
        try {
            tests.invoke(null, (Object) new String[0]);
        } catch (InvocationTargetException error) {
            throw error.getCause();
        }
        System.out.flush();
        out.write('\\n');
        out.write(nonce);
        out.write('\\n');
    }

    private static Method find(String[] names) throws NoSuchMethodException {
        for (String name : names) {
            try {
                Method tests = Class.forName(name, false, ProgramEnd.class.getClassLoader())
                    .getDeclaredMethod("main", String[].class);
                tests.setAccessible(true);
                return tests;
            } catch (ClassNotFoundException | NoSuchMethodException | NoClassDefFoundError error) {
                continue;
            }
        }
        throw new NoSuchMethodException("no class has a main");
    }
}
"""
# What the archive holds: the classes of the compiler that such a program needs.
SAMPLE = """\
import java.util.*;
import java.util.stream.*;
public class Sample {
    interface Shape<T extends Comparable<T>> { T area(); }
    public static long sum(ArrayList<Long> all) {
        Map<String, List<Integer>> map = new HashMap<>();
        for (var one : all) { map.computeIfAbsent("" + one, key -> new ArrayList<>()).add(1); }
        try { if (all.isEmpty()) throw new IllegalStateException(); } catch (IllegalStateException error) { return 0; }
        long even = all.stream().filter(x -> x % 2 == 0).mapToLong(Long::longValue).sum();
        return even + switch (map.size()) { default -> 1; };
    }
    public static void main(String[] arguments) { assert(sum(new ArrayList<Long>(Arrays.asList(1l))) == 1); }
}
"""
TUPLES = "/usr/share/java/javatuples.jar"
VM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
_PUBLIC = re.compile(
    r"^public\s+(?:(?:final|abstract|sealed)\s+)*(?:class|interface|enum|record)\s+(\w+)", re.MULTILINE
)
_CLASS = re.compile(r"\b(?:class|interface|enum|record|object)\s+(\w+)")


class Java(Language):
    """Java."""

    language = "java"
    packages = ("default-jdk-headless", "libjavatuples-java")
    tells = (("javac", "-version"), ("java", "-version"))
    needs = (TUPLES,)

    def program(self, source: Source, nonce: str) -> Program:
        """See `Runner.program`."""
        ready = compiler()
        public = _PUBLIC.search(source.text)
        file = f"{public[1] if public else 'Problem'}.java"
        archive = f"-J-XX:SharedArchiveFile={ready / 'javac.jsa'}"
        options = (*(f"-J{option}" for option in VM), archive, "-proc:none", "-nowarn", "-encoding", "UTF-8")
        steps = (
            Step((path_of("javac"), *options, "-cp", TUPLES, "-d", ".", file), limits=COMPILE),
            Step(
                (path_of("java"), *VM, "-ea", "-cp", f"{ready}:.:{TUPLES}", "ProgramEnd", *classes(source.text)),
                stdin=nonce.encode(),
                limits=VM_RUN,
            ),
        )
        return Program({file: encoded(source.text)}, steps, reads=(ready, *configuration()))


def classes(text: str) -> list[str]:
    """Names of classes in a program, those named last first."""
    return list(dict.fromkeys(reversed(_CLASS.findall(text))))[:100]


def configuration() -> tuple[Path, ...]:
    """Folders in /etc that the JDK's own files point to."""
    java = find("java")
    if java is None:
        return ()
    links = (java.parents[1] / "lib/jvm.cfg", java.parents[1] / "conf/net.properties", java.parents[1] / "conf")
    folders = {link.resolve().parent for link in links if link.is_symlink()}
    return tuple(sorted(folder for folder in folders if folder.is_relative_to("/etc")))


def compiler() -> Path:
    """The folder with the compiled main and the compiler's archive, made once."""
    javac = path_of("javac")

    def make(folder: Path) -> None:
        (folder / "ProgramEnd.java").write_text(END)
        (folder / "Sample.java").write_text(SAMPLE)
        build((javac, "-proc:none", "-d", ".", "ProgramEnd.java"), folder)
        vm = (f"-J{option}" for option in (*VM, "-XX:ArchiveClassesAtExit=javac.jsa"))
        build((javac, *vm, "-proc:none", "-cp", TUPLES, "-d", "sample", "Sample.java"), folder)
        (folder / "javac.jsa").chmod(0o644)

    return kept("javac", (javac, first_line("java", "-version") or "", END, SAMPLE, *VM), make)
