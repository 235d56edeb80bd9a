"""Programs for the tests of languages: each has a place for the answer.

An answer is the body of a function that doubles its argument; the layout is that of the benchmark (MultiPL-E; in C and
Python plain).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One language.

    Attributes:
        layout: program with %s for the answer.
        right: doubles.
        wrong: does not.
        leaves: ends the process with 0 before the tests are over.
        endless: never ends.
        refused: not a program of the language; its status.
    """

    layout: str
    right: str
    wrong: str
    leaves: tuple[str, ...]
    endless: str
    broken: str
    refused: str = "compile_error"


_JVM_MAIN = """\
    }
    public static void main(String[] args) {
    assert(twice((4l)) == (8l));
    }

}
"""
_JS = """\
function twice(x){
%s
const assert = require('node:assert');


function test() {
  let candidate = twice;
  assert.deepEqual(candidate(4),8);
}

test();"""

CASES: dict[str, Case] = {
    "bash": Case(
        '#!/bin/bash\ntwice() {\n%s\n}\n\ncandidate() {\n    twice "$@"\n}\n\nset -e\nrun_test() {\n'
        '    [[ $(candidate "4") = "8" ]]\n}\n\nrun_test\n',
        "echo $(( $1 * 2 ))",
        "echo 7",
        ("echo 8\n}\nexit 0\nf() {", "echo 8\n}\ncat <<END\n{"),
        "while true; do :; done",
        "if",
        "failed",
    ),
    "c": Case(
        "#include <assert.h>\n#include <stdlib.h>\n#include <unistd.h>\nlong twice(long x) {\n%s\n}\n"
        "int main() {\n    assert(twice(4) == 8);\n}\n",
        "return 2 * x;",
        "return x;",
        ("exit(0);", "_exit(0);", "quick_exit(0);"),
        "for (;;) {}",
        "return",
    ),
    "cpp": Case(
        "#include<assert.h>\n#include<bits/stdc++.h>\n#include <unistd.h>\nlong twice(long x) {\n%s\n}\nint main() {\n"
        "    auto candidate = twice;\n    assert(candidate((4)) == (8));\n}\n",
        "return std::max(2 * x, x);",
        "return x;",
        (
            "exit(0);",
            "_exit(0);",
            "std::quick_exit(0);",
            "return 8;\n}\nstatic int before = (std::exit(0), 0);\nint f() {",
        ),
        "for (;;) {}",
        "return nothing;",
    ),
    "csharp": Case(
        "using System;\nusing System.Numerics;\nusing System.Diagnostics;\nusing System.Linq;\nclass Problem {\n"
        "    public static long Twice(long x) {\n%s\n    }\n    public static void Main(string[] args) {\n"
        "    Debug.Assert(Twice((4L)) == (8L));\n    }\n\n}\n",
        "return 2 * x;",
        "return x;",
        ("Environment.Exit(0); return 0;",),
        "while (true) {}",
        'return "";',
    ),
    "d": Case(
        "import std.math;\nlong twice(long x) \n%s\nunittest\n{\n    alias candidate = twice;\n\n"
        "    assert(candidate(4L) == 8L);\n}\nvoid main(){}",
        "{ return 2 * x; }",
        "{ return x; }",
        ("{ import core.stdc.stdlib : exit; exit(0); return 0; }",),
        "{ for (;;) {} }",
        "{ return nothing; }",
    ),
    "go": Case(
        'package twice_test\n\nimport (\n    "testing"\n    "fmt"\n    "os"\n)\n\n'
        "var _ = os.Args\n\nfunc twice(x int) int {\n%s\n"
        "func TestTwice(t *testing.T) {\n  candidate := twice\n\ttype test struct {\n\t\tactual   interface{}\n"
        "\t\texpected interface{}\n\t}\n   tests := []test{\n     { actual: candidate(4), expected: 8 },\n   }\n\n"
        '\tfor i, tc := range tests {\n\t\tt.Run(fmt.Sprintf("test num %% d", i), func(t *testing.T) {\n'
        '\t\t\tif fmt.Sprintf("%%v", tc.actual) != fmt.Sprintf("%%v", tc.expected) {\n'
        "\t\t\t\tt.Errorf(\"expected '%%s', got '%%s'\", tc.expected, tc.actual)\n\t\t\t}\n\t\t})\n\t}\n}\n",
        "return 2 * x\n}\n",
        "return x\n}\n",
        ("os.Exit(0)\n    return 0\n}\n", "return 8\n}\n\nfunc init() { os.Exit(0) }\n"),
        "for {}\n}\n",
        "return nothing\n}\n",
    ),
    "java": Case(
        "import java.util.*;\nimport org.javatuples.*;\nclass Problem {\n    public static long twice(long x) {\n%s\n"
        + _JVM_MAIN,
        "return 2 * x;",
        "return x;",
        ("System.exit(0); return 0;", "Runtime.getRuntime().halt(0); return 0;"),
        "while (true) {}",
        'return "";',
    ),
    "javascript": Case(
        _JS,
        "return 2 * x;\n}\n",
        "return x;\n}\n",
        ("process.exit(0);\n}\n", "process.reallyExit(0);\n}\n", "return 8;\n}\nreturn;\n"),
        "for (;;) {}\n}\n",
        "return (;\n}\n",
        "failed",
    ),
    "lua": Case(
        "local function twice(x)\n%s\nlu = require('luaunit')\n\nfunction test_humaneval()\nlocal candidate = twice\n"
        "    lu.assertEquals(candidate(4), 8)\nend\n\nos.exit(lu.LuaUnit.run())",
        "return 2 * x\nend\n",
        "return x\nend\n",
        ("return 8\nend\nos.exit(0)\n", "return 8\nend\nos.exit(true)\n"),
        "while true do end\nend\n",
        "return return\nend\n",
        "failed",
    ),
    "perl": Case(
        "sub twice {\n    my($x) = @_;\n%s\nuse Test::Deep;\n\n\nsub testhumaneval {\n    my $candidate = \\&twice;\n"
        '        if(eq_deeply($candidate->(4),8)) {\n        print "ok!" }else{\n        exit 1;\n        }\n}\n\n'
        "testhumaneval();",
        "return 2 * $x;\n}\n",
        "return $x;\n}\n",
        ("exit(0);\n}\n", "return 8;\n}\n__END__\n", "use POSIX; POSIX::_exit(0);\n}\n"),
        "while (1) {}\n}\n",
        "return (;\n}\n",
        "failed",
    ),
    "php": Case(
        "<?php\nfunction twice($x) {\n%s\nfunction candidate(...$args) {\n    return twice(...$args);\n}\n\n"
        'function test(): void {\n    if (candidate(4) !== 8) { throw new Exception("Test failed!"); }\n}\n\ntest();',
        "return 2 * $x;\n}\n",
        "return $x;\n}\n",
        ("exit(0);\n}\n", "return 8;\n}\n?>\n", "return 8;\n}\nreturn;\n"),
        "while (true) {}\n}\n",
        "return (;\n}\n",
        "failed",
    ),
    "python": Case(
        "def twice(x):\n%s\n\ndef check(candidate):\n    assert candidate(4) == 8\n\ncheck(twice)\n",
        "    return 2 * x",
        "    return x",
        ("    exit(0)", "    import os; os._exit(0)", "    raise SystemExit"),
        "    while True: pass",
        "    return (",
        "failed",
    ),
    "r": Case(
        "twice <- function(x) {\n%s\ntest_humaneval <- function() {\n    candidate <- twice\n"
        "    stopifnot(isTRUE(all.equal(candidate(4), 8)))\n}\ntest_humaneval()",
        "2 * x\n}\n",
        "x\n}\n",
        ("quit(status = 0)\n}\n",),
        "repeat {}\n}\n",
        "x x\n}\n",
        "failed",
    ),
    "ruby": Case(
        "def twice(x)\n%s\nrequire 'test/unit'\nclass TestHumanEval < Test::Unit::TestCase\n  def test_twice\n"
        "    candidate = method(:twice)\n    assert_equal(8, candidate.call(4))\n  end\nend\n",
        "2 * x\nend\n",
        "x\nend\n",
        ("exit(0)\nend\n", "exit!(0)\nend\n", "8\nend\n__END__\n"),
        "loop {}\nend\n",
        "x )\nend\n",
        "failed",
    ),
    "rust": Case(
        "fn twice(x: isize) -> isize {\n%s\n}\n\nfn main() {\n    let candidate = twice;\n"
        "    assert_eq!(candidate(4), 8);\n}\n",
        "2 * x",
        "x",
        ("std::process::exit(0)",),
        "loop {}",
        '""',
    ),
    "scala": Case(
        "import scala.math._\nimport scala.collection.mutable._\nobject Problem {\n"
        "    def twice(x : Long) : Long = {\n%s\n"
        "    }\n    def main(args: Array[String]) = {\n    assert(twice((4l)) == (8l));\n    }\n\n}\n",
        "2 * x",
        "x",
        ("System.exit(0); 8",),
        "while (true) {}; 8",
        '""',
    ),
    "typescript": Case(
        _JS.replace("(x)", "(x: number): number").replace("const assert", "declare var require: any;\nconst assert"),
        "return 2 * x;\n}\n",
        "return x;\n}\n",
        ('(globalThis as any)["process"].exit(0);\nreturn 8;\n}\n',),
        "for (;;) {}\n}\n",
        'return "";\n}\n',
    ),
}
