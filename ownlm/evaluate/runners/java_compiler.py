"""A warm javac: contained virtual machines that compile (javax.tools) one Java program after another.

    source ─► warm javac ─► class files ─► a fresh sandbox with `java`

A compiler sees the class path of the machine and one program: classes are kept in memory, handed back, and forgotten.
It runs nothing of a program (no annotation processing). One that met a limit is ended, and another started.
"""

from __future__ import annotations

import base64
import struct
from dataclasses import replace
from pathlib import Path

from ownlm.evaluate.runners.java import TUPLES, VM, configuration
from ownlm.evaluate.runners.language import COMPILE
from ownlm.evaluate.runners.toolchain import build, first_line, kept, path_of
from ownlm.evaluate.sandbox.bubblewrap import BubblewrapSandbox
from ownlm.evaluate.sandbox.program import MIB, Ended, Program
from ownlm.evaluate.sandbox.warm import WarmPool, Worker

SERVER = """\
import java.io.*;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.*;
import javax.tools.*;

final class WarmCompiler {
    public static void main(String[] arguments) throws IOException {
        JavaCompiler javac = ToolProvider.getSystemJavaCompiler();
        StandardJavaFileManager files = javac.getStandardFileManager(null, null, StandardCharsets.UTF_8);
        files.setLocation(StandardLocation.CLASS_PATH, List.of(new File(arguments[0])));
        DataInputStream orders = new DataInputStream(new BufferedInputStream(System.in));
        PrintStream answers = new PrintStream(new FileOutputStream(FileDescriptor.out), false, "US-ASCII");
        answers.print("ready\\n");
        answers.flush();
        while (true) {
            String name;
            try {
                name = text(orders);
            } catch (EOFException end) {
                return;
            }
            answers.print(compile(javac, files, name, text(orders)) + "\\n");
            answers.flush();
        }
    }

    private static String compile(JavaCompiler javac, JavaFileManager files, String name, String text) {
        StringWriter said = new StringWriter();
        Classes classes = new Classes(files);
        JavaFileObject source = new SimpleJavaFileObject(URI.create("string:///" + name), JavaFileObject.Kind.SOURCE) {
            @Override public CharSequence getCharContent(boolean ignoreEncodingErrors) { return text; }
        };
        boolean good = false;
        try {
            good = javac.getTask(said, classes, null, List.of("-proc:none", "-nowarn"), null, List.of(source)).call();
        } catch (RuntimeException | StackOverflowError error) {
            said.write("javac: " + error + "\\n");
        }
        StringBuilder answer = new StringBuilder(good ? "compiled" : "refused");
        answer.append(' ').append(encoded(said.toString().getBytes(StandardCharsets.UTF_8)));
        for (Map.Entry<String, ByteArrayOutputStream> one : classes.made.entrySet()) {
            answer.append(' ').append(encoded(one.getKey().getBytes(StandardCharsets.UTF_8)));
            answer.append(' ').append(encoded(one.getValue().toByteArray()));
        }
        return answer.toString();
    }

    private static String encoded(byte[] bytes) {
        return bytes.length == 0 ? "-" : Base64.getEncoder().encodeToString(bytes);
    }

    private static String text(DataInputStream orders) throws IOException {
        return new String(orders.readNBytes(orders.readInt()), StandardCharsets.UTF_8);
    }

    /** Keeps the classes of one program; finds no others but the machine's. */
    private static final class Classes extends ForwardingJavaFileManager<JavaFileManager> {
        final Map<String, ByteArrayOutputStream> made = new TreeMap<>();

        Classes(JavaFileManager files) { super(files); }

        @Override public JavaFileObject getJavaFileForOutput(
                Location location, String name, JavaFileObject.Kind kind, FileObject sibling) {
            String file = name.replace('.', '/') + kind.extension;
            return new SimpleJavaFileObject(URI.create("string:///class"), kind) {
                @Override public OutputStream openOutputStream() {
                    return made.computeIfAbsent(file, ignored -> new ByteArrayOutputStream());
                }
            };
        }
    }
}
"""
_MEMORY, _PROCESSES = 512 * MIB, 64


class JavaCompilers:
    """Compiles Java programs. Safe to call from several threads.

    Args:
        sandbox: whose means of containment the compilers use.
    """

    def __init__(self, sandbox: BubblewrapSandbox) -> None:
        self._workers = WarmPool(lambda: _Compiler(sandbox, _server()))

    def compile(self, program: Program) -> tuple[Ended, Program | None]:
        """What is left to run of a program of the Java runner.

        Returns:
            How compiling ended, and the program with its classes in place of its source, without its first step; None
            where it does not compile.

        Raises:
            SandboxError: containment itself failed.
        """
        ((name, text),) = program.files.items()
        with self._workers.worker() as worker:
            ended, classes = worker.compile(name, text)
        if (ended.how, ended.code) != ("exit", 0):
            return ended, None
        return ended, replace(program, files=classes, steps=program.steps[1:])

    def close(self) -> None:
        """End all compilers."""
        self._workers.close()


class _Compiler(Worker):
    """One warm virtual machine."""

    def __init__(self, sandbox: BubblewrapSandbox, server: Path) -> None:
        reads = Program({}, (), reads=(server, *configuration()))
        super().__init__(sandbox, reads, COMPILE, memory_bytes=_MEMORY, processes=_PROCESSES)
        self._server = server

    def compile(self, name: str, text: bytes) -> tuple[Ended, dict[str, bytes]]:
        """How it ended, and class files by path."""
        told = self.ask(b"".join(struct.pack(">i", len(part)) + part for part in (name.encode(), text)))
        cut = told.cut_off()
        if cut is not None:
            return cut, {}
        if told.line is None:
            raise self._failed("a warm compiler ended without an answer")
        status, *fields = told.line.split()
        said, *made = (b"" if field == "-" else base64.b64decode(field) for field in fields)
        code = int(status != "compiled")
        ended = Ended("exit", code, b"", said[: self.limits.output_bytes], told.cpu_seconds, told.wall_seconds)
        return ended, {path.decode(): content for path, content in zip(made[::2], made[1::2], strict=True)}

    def command(self, answers: int) -> list[str]:
        """See `Worker.command`."""
        options = ("-XX:+UseSerialGC", "-XX:-UsePerfData", f"-Xmx{self.limits.memory_bytes // MIB // 2}m")
        java = [path_of("java"), *options, "-cp", str(self._server), "WarmCompiler", TUPLES]
        redirect = "open(STDOUT, '>&', shift) or die; exec @ARGV"  # Java knows descriptors 0, 1 and 2 only
        return ["/usr/bin/perl", "-e", redirect, str(answers), *java]


def _server() -> Path:
    """The folder with the compiled server, made once."""
    javac = path_of("javac")

    def make(folder: Path) -> None:
        (folder / "WarmCompiler.java").write_text(SERVER)
        build((javac, *(f"-J{option}" for option in VM), "-proc:none", "-d", ".", "WarmCompiler.java"), folder)

    return kept("warm-javac", (javac, first_line("java", "-version") or "", SERVER), make)
