"""What editors call a language -> GitHub Linguist's name, which models, rules and reports go by.

VS Code's identifiers (Tabby's clients and llm-ls send these), vim's filetypes where they differ, and, for clients that
send a path only, file extensions. An identifier that is Linguist's name in lower case needs no entry of its own.
"""

from __future__ import annotations

from pathlib import PurePosixPath

LANGUAGES: dict[str, tuple[str, str]] = {
    # Linguist's name: (identifiers of editors, extensions of files)
    "ABAP": ("", "abap"),
    "Ada": ("", "adb ads ada"),
    "Apex": ("", "apex trigger"),
    "Assembly": ("asm asm-intel-x86-generic nasm arm", "asm s nasm"),
    "Astro": ("", "astro"),
    "Awk": ("", "awk"),
    "Batchfile": ("bat dosbatch", "bat cmd"),
    "Bicep": ("", "bicep"),
    "Blade": ("", "blade.php"),
    "C": ("", "c h"),
    "C#": ("csharp cs razor aspnetcorerazor", "cs csx"),
    "C++": ("cpp arduino", "cpp cc cxx hpp hh hxx"),
    "CMake": ("", "cmake"),
    "COBOL": ("", "cob cbl"),
    "CSS": ("tailwindcss", "css"),
    "Clojure": ("", "clj cljs cljc"),
    "CoffeeScript": ("coffee", "coffee"),
    "Common Lisp": ("lisp commonlisp", "lisp lsp"),
    "Crystal": ("", "cr"),
    "Cuda": ("cuda-cpp", "cu cuh"),
    "Cython": ("", "pyx pxd"),
    "D": ("", "d"),
    "Dart": ("", "dart"),
    "Diff": ("patch", ""),
    "Dockerfile": ("docker", "dockerfile"),
    "Elixir": ("", "ex exs"),
    "Elm": ("", "elm"),
    "Emacs Lisp": ("elisp emacs-lisp", "el"),
    "Erlang": ("", "erl hrl"),
    "F#": ("fsharp", "fs fsi fsx"),
    "Fish": ("", "fish"),
    "Fortran": ("FortranFreeForm FortranFixedForm fortran-modern", "f90 f95 f03 f08"),
    "GDScript": ("", "gd"),
    "GLSL": ("", "glsl vert frag"),
    "Gleam": ("", "gleam"),
    "Go": ("golang", "go"),
    "GraphQL": ("", "graphql gql"),
    "Groovy": ("", "groovy gradle"),
    "HCL": ("terraform tf terraform-vars opentofu", "hcl tf tfvars"),
    "HTML": ("xhtml", "html htm"),
    "HTML+ERB": ("erb eruby", "erb"),
    "Haml": ("", "haml"),
    "Handlebars": ("", "hbs handlebars"),
    "Haskell": ("", "hs"),
    "INI": ("dosini properties editorconfig", ""),
    "JSON": ("jsonc json5 jsonl", ""),
    "Java": ("", "java"),
    "JavaScript": ("javascriptreact javascript.jsx js jsx mjs node", "js jsx mjs cjs"),
    "Jinja": ("jinja-html jinja2 htmldjango django-html", "jinja j2"),
    "Julia": ("", "jl"),
    "Kotlin": ("", "kt kts"),
    "Less": ("", "less"),
    "Lua": ("", "lua"),
    "Luau": ("", "luau"),
    "MATLAB": ("octave", ""),
    "MDX": ("", "mdx"),
    "Makefile": ("make", "mk"),
    "Markdown": ("markdown.mdx", "md markdown"),
    "Nim": ("", "nim"),
    "Nix": ("", "nix"),
    "OCaml": ("", "ml mli"),
    "Objective-C": ("objc objectivec", "m"),
    "Objective-C++": ("objcpp", "mm"),
    "PHP": ("", "php"),
    "PLSQL": ("oraclesql", "pls pkb pks"),
    "Pascal": ("objectpascal delphi", "pas"),
    "Perl": ("", "pl pm"),
    "PowerShell": ("ps1", "ps1 psm1"),
    "Prolog": ("", ""),
    "Protocol Buffer": ("proto proto3 protobuf", "proto"),
    "Pug": ("jade", "pug"),
    "Puppet": ("", "pp"),
    "Python": ("py python3 sage", "py pyi"),
    "R": ("rlang", "r"),
    "RMarkdown": ("rmd", "rmd"),
    "Racket": ("", "rkt"),
    "Raku": ("perl6", "raku"),
    "ReScript": ("", ""),
    "Ruby": ("rb", "rb"),
    "Rust": ("rs", "rs"),
    "SCSS": ("", "scss"),
    "SQL": ("mssql mysql pgsql sqlite postgres snowflake-sql", "sql"),
    "Sass": ("", "sass"),
    "Scala": ("", "scala"),
    "Scheme": ("", "scm"),
    "Shell": ("shellscript sh bash zsh ksh", "sh bash zsh"),
    "Solidity": ("", "sol"),
    "Starlark": ("bazel bzl", "bzl"),
    "Svelte": ("", "svelte"),
    "Swift": ("", "swift"),
    "SystemVerilog": ("", "sv svh"),
    "TOML": ("", "toml"),
    "TSX": ("typescriptreact typescript.tsx", "tsx"),
    "Tcl": ("", "tcl"),
    "TeX": ("latex plaintex bibtex", "tex"),
    "Text": ("plaintext txt", ""),
    "Thrift": ("", "thrift"),
    "TypeScript": ("ts", "ts mts cts"),
    "VHDL": ("", "vhd vhdl"),
    "Verilog": ("", ""),
    "Vim Script": ("vim viml vimscript", "vim"),
    "Visual Basic .NET": ("vb", "vb"),
    "Vue": ("vue-html", "vue"),
    "WGSL": ("", "wgsl"),
    "XML": ("xsd", ""),
    "XSLT": ("xsl", "xsl xslt"),
    "YAML": ("dockercompose yaml.docker-compose yaml.ansible github-actions-workflow helm", "yaml yml"),
    "Zig": ("", "zig"),
    "reStructuredText": ("rst", "rst"),
}

_BY_IDENTIFIER = {name.lower(): name for name in LANGUAGES} | {
    identifier.lower(): name for name, (identifiers, _) in LANGUAGES.items() for identifier in identifiers.split()
}
_BY_EXTENSION = {extension: name for name, (_, extensions) in LANGUAGES.items() for extension in extensions.split()}


def language_of(identifier: str | None, path: str = "") -> str:
    """Linguist's name of a language.

    Args:
        identifier: what the editor calls it; None or "" when it does not say.
        path: of the file; looked at when the identifier says nothing.

    Returns:
        The name, or "" when neither tells.
    """
    found = _BY_IDENTIFIER.get((identifier or "").strip().lower())
    if found not in (None, "Text"):
        return found
    name = PurePosixPath(path.replace("\\", "/")).name.lower()
    parts = name.split(".")
    endings = (".".join(parts[begin:]) for begin in range(1, len(parts)))
    by_path = next((_BY_EXTENSION[ending] for ending in endings if ending in _BY_EXTENSION), None)
    return by_path or {"dockerfile": "Dockerfile", "makefile": "Makefile"}.get(name) or found or ""
