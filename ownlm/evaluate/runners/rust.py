"""Rust, by rustc without optimization; a program is one file, with a main or with #[test] functions.

The crates rand, regex and md5 (five of HumanEval-X's problems use one) are built once from Debian's packages of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ownlm.evaluate.runners.language import RUN, Extra
from ownlm.evaluate.runners.native import WRAP, Native
from ownlm.evaluate.runners.toolchain import build, first_line, kept, path_of
from ownlm.evaluate.sandbox.program import Limits

CRATES = ("rand", "regex", "md5")
REGISTRY = "/usr/share/cargo/registry"
_USED = re.compile(rf"\b({'|'.join(CRATES)})\b\s*(?:::|;)")
_FLAGS = ("--edition=2021", "-Copt-level=0", "-Cdebuginfo=0", "-Ccodegen-units=1", "-Awarnings")
_MANIFEST = """\
[package]
name = "crates"
version = "0.0.0"
edition = "2021"
[lib]
path = "lib.rs"
[dependencies]
rand = "*"
regex = { version = "*", default-features = false, features = ["std", "unicode"] }
md5 = "*"
"""
_SOURCES = f"""\
[source.crates-io]
replace-with = "debian"
[source.debian]
directory = "{REGISTRY}"
"""


class Rust(Native):
    """Rust."""

    language = "rust"
    names = ("rs",)
    packages = ("rustc", "gcc", "libc6-dev")
    extras = (
        Extra("cargo", "/usr/bin/cargo", "HumanEval-X Rust/32, 50, 53, 91 and 162, with the next three"),
        Extra("librust-rand-dev", f"{REGISTRY}/rand-[0-9]*", "HumanEval-X Rust/32, 50 and 53"),
        Extra("librust-regex-dev", f"{REGISTRY}/regex-[0-9]*", "HumanEval-X Rust/91"),
        Extra("librust-md5-dev", f"{REGISTRY}/md5-[0-9]*", "HumanEval-X Rust/162"),
    )
    tells = (("rustc", "--version"),)
    needs = ("/usr/bin/gcc", "/usr/include/stdio.h")

    def compiled(self, text: str, end: str) -> tuple[str, Sequence[str], Sequence[Path]]:
        """See `Native.compiled`."""
        tests = () if re.search(r"\bfn\s+main\s*\(", text) else ("--test",)
        crates = None if self.absent() or not _USED.search(text) else compiled_crates()
        linked = () if crates is None else _linked(crates)
        linker = (f"-Clinker={path_of('gcc')}", f"-Clink-arg={end}", f"-Clink-arg={WRAP}")
        command = (path_of("rustc"), *_FLAGS, *tests, *linked, *linker, "program.rs", "-o", "program")
        return "program.rs", command, () if crates is None else (crates,)

    def run_limits(self) -> Limits:
        """Tests run in threads."""
        return replace(RUN, processes=256)


def compiled_crates() -> Path:
    """The folder with the crates' libraries, made once by cargo without a network."""
    cargo, compiler = path_of("cargo"), path_of("rustc")
    have = sorted(path.name for crate in CRATES for path in Path(REGISTRY).glob(f"{crate}-[0-9]*"))

    def make(folder: Path) -> None:
        (folder / "Cargo.toml").write_text(_MANIFEST)
        (folder / "lib.rs").write_text("")
        (folder / ".cargo").mkdir()
        (folder / ".cargo/config.toml").write_text(_SOURCES)
        build((cargo, "build", "--offline", "--quiet"), folder, RUSTC=compiler, CARGO_HOME=str(folder / "home"))

    return kept("crates", (first_line("rustc", "--version") or "", _MANIFEST, *have), make)


def _linked(folder: Path) -> tuple[str, ...]:
    libraries = folder / "target/debug/deps"
    named = ((crate, sorted(libraries.glob(f"lib{crate}-*.rlib"))) for crate in CRATES)
    return (f"-Ldependency={libraries}", *(f"--extern={crate}={found[0]}" for crate, found in named if found))
