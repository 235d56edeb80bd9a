"""File descriptors that close themselves."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Self


class Descriptor(int):
    """A file descriptor that is closed once, at the end of a context or before."""

    _open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Once; later calls do nothing."""
        if self._open:
            self._open = False
            os.close(self)


def pipe(closing: ExitStack) -> tuple[Descriptor, Descriptor]:
    """Reading and writing end, closed with the stack at the latest."""
    reading, writing = (closing.enter_context(Descriptor(end)) for end in os.pipe())
    return reading, writing


def memory_file(content: bytes) -> Descriptor:
    """Of the content, to be read from its beginning."""
    descriptor = Descriptor(os.memfd_create("ownlm"))
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def read_all(descriptor: int) -> bytes:
    """Until the end."""
    return b"".join(iter(lambda: os.read(descriptor, 65536), b""))
