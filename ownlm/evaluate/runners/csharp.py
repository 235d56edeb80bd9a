"""C#, by Mono: `Debug.Assert`, which only prints there, throws.

The main that is run is ours, as in Java: it keeps the nonce and calls the program's Main.
"""

from __future__ import annotations

from pathlib import Path

from ownlm.evaluate.runners.base import Source
from ownlm.evaluate.runners.java import classes
from ownlm.evaluate.runners.language import COMPILE, VM_RUN, Language, encoded
from ownlm.evaluate.runners.toolchain import path_of
from ownlm.evaluate.sandbox.program import Program, Step

END = """\
using System;
using System.Diagnostics;
using System.IO;
using System.Reflection;

static class ProgramEnd {
    sealed class Thrower : TraceListener {
        public override void Write(string text) {}
        public override void WriteLine(string text) {}
        public override void Fail(string text) { throw new Exception("Assertion failed. " + text); }
        public override void Fail(string text, string more) { Fail(text + more); }
    }

    public static int Main(string[] names) {
        string nonce = Console.In.ReadToEnd();
        Console.SetIn(TextReader.Null);
        Stream standard = Console.OpenStandardOutput();
        Debug.Listeners.Clear();
        Debug.Listeners.Add(new Thrower());
        MethodInfo tests = Find(names);
        object[] arguments = tests.GetParameters().Length == 0 ? new object[0] : new object[] { new string[0] };
        object code;
        try {
            code = tests.Invoke(null, arguments);
        } catch (TargetInvocationException error) {
            Console.Error.WriteLine(error.InnerException);
            return 1;
        }
        if (code is int && (int) code != 0) return (int) code;
        Console.Out.Flush();
        byte[] said = System.Text.Encoding.ASCII.GetBytes("\\n" + nonce + "\\n");
        standard.Write(said, 0, said.Length);
        standard.Flush();
        return 0;
    }

    static MethodInfo Find(string[] names) {
        foreach (string name in names) {
            Type type = Assembly.GetExecutingAssembly().GetType(name);
            MethodInfo tests = type == null ? null
                : type.GetMethod("Main", BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic);
            if (tests != null) return tests;
        }
        throw new Exception("no class has a Main");
    }
}
"""


class CSharp(Language):
    """C#."""

    language = "csharp"
    names = ("c#", "cs")
    packages = ("mono-mcs", "mono-runtime", "libmono-system-core4.0-cil", "libmono-system-numerics4.0-cil")
    tells = (("mcs", "--version"), ("mono", "--version"))
    needs = ("/usr/lib/mono/4.5/System.Numerics.dll",)

    def program(self, source: Source, nonce: str) -> Program:
        """See `Runner.program`."""
        files = {"program.cs": encoded(source.text), "end.cs": END.encode()}
        references = ("-r:System.Numerics.dll", "-r:System.Core.dll")
        options = ("-d:DEBUG", "-nowarn:0-9999", *references, "-main:ProgramEnd", "-out:program.exe")
        steps = (
            Step((path_of("mcs"), *options, "program.cs", "end.cs"), limits=COMPILE),
            Step((path_of("mono"), "program.exe", *classes(source.text)), stdin=nonce.encode(), limits=VM_RUN),
        )
        return Program(files, steps, reads=tuple(filter(Path.exists, (Path("/etc/mono"),))))
