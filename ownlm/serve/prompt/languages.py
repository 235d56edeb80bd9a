"""What prompts and trimming know of languages, by GitHub Linguist's names: one row a language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Syntax:
    """A language, as far as a completion's end depends on it.

    Attributes:
        comment: what opens and closes a comment of one line; "" closes at the line's end. None where there is none.
        opens: ends of a line after which an indented block follows, words and signs.
        closes: words that close a block on a line of their own: `end`, `fi`.
        goes_on: words that go on with a statement at its own indentation: `else`, `except`.
        defines: words (and signs) that open a definition at the margin.
        leads: starts of lines that belong to the definition on the next line: decorators, attributes.
        quotes: signs that open and close texts, the longest first.
        characters: a single quote holds one character, or is something else altogether (a lifetime, a prime).
        brackets: closing brackets have their opening ones; not so in a shell's `case`.
        known: rules that depend on the language apply.
    """

    comment: tuple[str, str] | None = None
    opens: frozenset[str] = frozenset("{([")
    closes: frozenset[str] = frozenset()
    goes_on: frozenset[str] = frozenset()
    defines: frozenset[str] = frozenset()
    leads: tuple[str, ...] = ()
    quotes: tuple[str, ...] = ('"', "'")
    characters: bool = False
    brackets: bool = True
    known: bool = field(default=True)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SLASHES = ("//", "")
_HASH = ("#", "")
_BRACES = _words("{ ( [ =>")
_C_GOES_ON = _words("else case default while catch finally")
_JS_DEFINES = _words("function class export import async")
_TS_DEFINES = _JS_DEFINES | _words("interface type enum namespace declare abstract @")
_TEXTS = ('"', "'", "`")
_MODIFIERS = _words("public private protected internal static abstract final sealed")

_JAVASCRIPT = Syntax(_SLASHES, _BRACES, goes_on=_C_GOES_ON, defines=_JS_DEFINES, quotes=_TEXTS)
_TYPESCRIPT = Syntax(_SLASHES, _BRACES, goes_on=_C_GOES_ON, defines=_TS_DEFINES, leads=("@",), quotes=_TEXTS)
_PYTHON = Syntax(
    _HASH,
    _words("{ ( [ :"),
    goes_on=_words("else elif except finally case"),
    defines=_words("def class async @"),
    leads=("@",),
    quotes=('"""', "'''", '"', "'"),
)

SYNTAX: Mapping[str, Syntax] = {
    "C": Syntax(
        _SLASHES,
        goes_on=_C_GOES_ON,
        defines=_words("static struct enum union typedef extern void int char #include #define inline const unsigned"),
    ),
    "C#": Syntax(
        _SLASHES,
        goes_on=_C_GOES_ON,
        defines=_MODIFIERS | _words("namespace using class interface enum record struct [ delegate"),
        leads=("[",),
        quotes=('"""', '"', "'"),
    ),
    "C++": Syntax(
        _SLASHES,
        goes_on=_C_GOES_ON | _words("public private protected"),
        defines=_words(
            "class struct enum template namespace using typedef static void int auto #include #define inline"
        ),
        leads=("template", "[["),
    ),
    "CSS": Syntax(("/*", "*/")),
    "Go": Syntax(
        _SLASHES,
        goes_on=_words("else case default"),
        defines=_words("func type var const import package"),
        quotes=_TEXTS,
    ),
    "HTML": Syntax(("<!--", "-->"), _words(">"), brackets=False, quotes=('"',)),
    "Haskell": Syntax(
        ("--", ""),
        _words("where do of let = -> { ( ["),
        goes_on=_words("where else then"),
        defines=_words("data type newtype class instance module import"),
        quotes=('"',),
        characters=True,
    ),
    "JSON": Syntax(quotes=('"',)),
    "Java": Syntax(
        _SLASHES,
        _words("{ ( [ ->"),
        goes_on=_C_GOES_ON,
        defines=_MODIFIERS | _words("class interface enum record import package @"),
        leads=("@",),
        quotes=('"""', '"', "'"),
    ),
    "JavaScript": _JAVASCRIPT,
    "Julia": Syntax(
        _HASH,
        _words("{ ( [ do else begin try finally ="),
        closes=_words("end"),
        goes_on=_words("else elseif catch finally"),
        defines=_words("function struct mutable module macro abstract const using import export"),
        quotes=('"""', '"'),
        characters=True,
    ),
    "Kotlin": Syntax(
        _SLASHES,
        _words("{ ( [ -> ="),
        goes_on=_words("else catch finally while"),
        defines=_MODIFIERS | _words("fun class object interface data open enum typealias import package @"),
        leads=("@",),
        quotes=('"""', '"', "'"),
    ),
    "Lua": Syntax(
        ("--", ""),
        _words("{ ( [ then do else repeat function )"),
        closes=_words("end until"),
        goes_on=_words("else elseif"),
        defines=_words("function local return"),
    ),
    "PHP": Syntax(
        _SLASHES,
        _BRACES,
        goes_on=_C_GOES_ON | _words("elseif"),
        defines=_MODIFIERS | _words("function class interface trait enum namespace use"),
        leads=("#[",),
    ),
    "Perl": Syntax(_HASH, goes_on=_words("else elsif"), defines=_words("sub package use"), brackets=False),
    "Python": _PYTHON,
    "Ruby": Syntax(
        _HASH,
        _words("{ ( [ do then else begin ensure | rescue"),
        closes=_words("end"),
        goes_on=_words("else elsif when in rescue ensure"),
        defines=_words("def class module require"),
        quotes=('"', "'", "`"),
    ),
    "Rust": Syntax(
        _SLASHES,
        _words("{ ( [ => ->"),
        goes_on=_words("else"),
        defines=_words("fn pub impl struct enum trait mod use type const static async unsafe macro_rules #["),
        leads=("#[",),
        quotes=('"',),
        characters=True,
    ),
    "Scala": Syntax(
        _SLASHES,
        _words("{ ( [ => = : then do match yield"),
        goes_on=_words("else case catch finally"),
        defines=_MODIFIERS | _words("def class object trait case import package implicit given extension enum @"),
        leads=("@",),
        quotes=('"""', '"'),
        characters=True,
    ),
    "Shell": Syntax(
        _HASH,
        _words("{ ( then do else in )"),
        closes=_words("fi done esac ;;"),
        goes_on=_words("else elif"),
        defines=_words("function"),
        brackets=False,
    ),
    "Swift": Syntax(
        _SLASHES,
        _words("{ ( [ in"),
        goes_on=_words("else case default catch while"),
        defines=_MODIFIERS | _words("func class struct enum protocol extension import open fileprivate @"),
        leads=("@",),
        quotes=('"""', '"'),
    ),
    "TSX": _TYPESCRIPT,
    "TypeScript": _TYPESCRIPT,
}
"""The languages of `ownlm.data.clean.grammars`."""

UNKNOWN = Syntax(quotes=(), brackets=False, known=False)
"""Any other language, and text: only the rules that hold for all lines apply."""


def syntax_of(language: str) -> Syntax:
    """The row of a language; `UNKNOWN` where there is none."""
    return SYNTAX.get(language, UNKNOWN)
