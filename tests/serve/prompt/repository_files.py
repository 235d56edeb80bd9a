"""A declaration in every language that has them, and what is found of it."""

from __future__ import annotations

DECLARED: dict[str, tuple[str, list[tuple[str, str, str, str]]]] = {
    "Python": (
        'class A(B):\n    """Doc of A.\n\n    More."""\n    def f(self, x: int) -> int:\n        """F doc."""\n'
        "        def inner(): pass\n\n@cached\ndef g(\n    a,\n    b,\n):\n    return 1\n",
        [
            ("A", "", "class A(B):", "Doc of A."),
            ("f", "class A(B):", "def f(self, x: int) -> int:", "F doc."),
            ("g", "", "def g( a, b, ):", ""),
        ],
    ),
    "JavaScript": (
        "// Doc\nexport function f(a, b) { return 1 }\nclass A extends B {\n  // m doc\n  m(x) { }\n}\n",
        [
            ("f", "", "export function f(a, b)", "Doc"),
            ("A", "", "class A extends B", ""),
            ("m", "class A extends B", "m(x)", "m doc"),
        ],
    ),
    "TypeScript": (
        "/** Doc. */\nexport interface I { m(a: string): void }\nexport type T = string | number;\n",
        [
            ("I", "", "export interface I", "Doc."),
            ("m", "export interface I", "m(a: string): void", ""),
            ("T", "", "export type T = string | number", ""),
        ],
    ),
    "TSX": (
        "export function C(p: P): Element { return <a/>; }\n",
        [("C", "", "export function C(p: P): Element", "")],
    ),
    "Go": (
        "package a\n// F does.\n// More.\nfunc F(a int) error { return nil }\n"
        "func (s *S) M() {}\ntype S struct { x int }\n",
        [
            ("F", "", "func F(a int) error", "F does."),
            ("M", "", "func (s *S) M()", ""),
            ("S", "", "type S struct { x int }", ""),
        ],
    ),
    "Rust": (
        "/// Doc\npub fn f<T>(x: T) -> T { x }\nimpl A for S { fn m(&self) -> u8 { 1 } }\n",
        [
            ("f", "", "pub fn f<T>(x: T) -> T", "Doc"),
            ("S", "", "impl A for S", ""),
            ("m", "impl A for S", "fn m(&self) -> u8", ""),
        ],
    ),
    "Java": (
        "/** Doc. */\npublic class B extends C { /** m. */ public int f(int x) { return 1; } B() {} }\n",
        [
            ("B", "", "public class B extends C", "Doc."),
            ("f", "public class B extends C", "public int f(int x)", "m."),
            ("B", "public class B extends C", "B()", ""),
        ],
    ),
    "C": (
        "/* doc */\nint f(int a, char *b) { return 1; }\nstatic char *g(void);\nstruct s { int x; };\nint x = 1;\n",
        [("f", "", "int f(int a, char *b)", "doc"), ("g", "", "static char *g(void)", ""), ("s", "", "struct s", "")],
    ),
    "C++": (
        "template <class T>\nclass A : public B { public: int f(int x) const; int y; };\n"
        "int A::k(int y) { return 1; }\n",
        [
            ("A", "", "template <class T> class A : public B", ""),
            ("f", "template <class T> class A : public B", "int f(int x) const", ""),
            ("k", "", "int A::k(int y)", ""),
        ],
    ),
    "C#": (
        "namespace N { public class A : B { public int F(int x) { return 1; } } }",
        [("A", "", "public class A : B", ""), ("F", "public class A : B", "public int F(int x)", "")],
    ),
    "Ruby": (
        "# doc\nclass A < B\n  # m\n  def f(x, y = 1)\n    1\n  end\nend\n",
        [("A", "", "class A < B", "doc"), ("f", "class A < B", "def f(x, y = 1)", "")],
    ),
    "PHP": (
        "<?php\n/** doc */\nfunction f($a): int { return 1; }\nclass A extends B { public function m(int $x) { } }\n",
        [
            ("f", "", "function f($a): int", "doc"),
            ("A", "", "class A extends B", ""),
            ("m", "class A extends B", "public function m(int $x)", ""),
        ],
    ),
    "Kotlin": (
        "// doc\nfun f(x: Int): Int = 1\nclass A(val x: Int) : B() { fun m() { } }\n",
        [
            ("f", "", "fun f(x: Int): Int", "doc"),
            ("A", "", "class A(val x: Int) : B()", ""),
            ("m", "class A(val x: Int) : B()", "fun m()", ""),
        ],
    ),
    "Swift": (
        "/// doc\nfunc f(_ x: Int) -> Int { return 1 }\nclass A: B { func m() {} }\n",
        [
            ("f", "", "func f(_ x: Int) -> Int", "doc"),
            ("A", "", "class A: B", ""),
            ("m", "class A: B", "func m()", ""),
        ],
    ),
    "Scala": (
        "// doc\nobject O { def f(x: Int): Int = 1 }\n",
        [("O", "", "object O", "doc"), ("f", "object O", "def f(x: Int): Int", "")],
    ),
    "Lua": ("-- doc\nfunction M.f(a, b)\nend\n", [("f", "", "function M.f(a, b)", "doc")]),
    "Shell": ("# doc\nf() {\n  echo\n}\n", [("f", "", "f()", "doc")]),
    "Perl": ("# doc\nsub f {\n  return 1;\n}\n", [("f", "", "sub f", "doc")]),
    "Haskell": (
        "f :: Int -> Int\nf x = x\ndata D = D Int\n",
        [("f", "", "f :: Int -> Int", ""), ("D", "", "data D = D Int", "")],
    ),
    "Julia": (
        "# doc\nfunction f(x, y)\n 1\nend\nstruct S\n x\nend\n",
        [("f", "", "function f(x, y)", "doc"), ("S", "", "struct S", "")],
    ),
}
