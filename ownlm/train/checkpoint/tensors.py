"""One file of tensors, in the safetensors format (github.com/huggingface/safetensors), written and read in ranges.

The library writes from Python objects while it holds the interpreter; training must go on meanwhile, so the bytes go
out here in blocks, hashed on the way. Reading takes any byte source: a local file, or an object in a storage.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

import torch
from torch import Tensor

BLOCK = 4 << 20
_MOST_HEADER = 100 << 20
_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_TYPES = {name: dtype for dtype, name in _NAMES.items()}

ReadRange = Callable[[int, int], bytes]
"""The bytes from a start until before an end."""


def type_name(dtype: torch.dtype) -> str:
    """What the format calls a dtype."""
    return _NAMES[dtype]


def type_of(name: str) -> torch.dtype:
    """The inverse of `type_name`."""
    return _TYPES[name]


def write_tensors(stream: BinaryIO, tensors: Mapping[str, Tensor]) -> tuple[str, int]:
    """Write CPU tensors.

    Returns:
        sha256 of all bytes in hex, and how many.

    Raises:
        OSError: the stream takes no more.
    """
    header: dict[str, Any] = {}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    digest, size = hashlib.sha256(), 0
    for raw in (memoryview(struct.pack("<Q", len(text)) + text), *map(_bytes_of, tensors.values())):
        for start in range(0, len(raw), BLOCK):
            block = raw[start : start + BLOCK]
            digest.update(block)  # both let other threads run
            stream.write(block)
            size += len(block)
    return digest.hexdigest(), size


class TensorFile:
    """Tensors of one file, read when asked for. The file's checksum has been looked at before.

    Args:
        read: the file's bytes.

    Raises:
        ValueError: it is not such a file.
    """

    def __init__(self, read: ReadRange) -> None:
        (length,) = struct.unpack("<Q", read(0, 8))
        if length > _MOST_HEADER:
            raise ValueError(f"a header of {length} bytes")
        self._read, self._start = read, 8 + length
        self._header: dict[str, Any] = json.loads(read(8, 8 + length))

    def part(self, name: str, ranges: Sequence[range]) -> Tensor:
        """The elements of a tensor in a box: a range for each dimension. Whole rows are read, then cut.

        Raises:
            ValueError: the tensor has no such box.
            KeyError: there is no such tensor.
        """
        entry = self._header[name]
        shape, dtype = entry["shape"], _TYPES[entry["dtype"]]
        start, end = entry["data_offsets"]
        inside = all(0 <= one.start <= one.stop <= size for one, size in zip(ranges, shape, strict=True))
        if not inside or end - start != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"{name} has no part {list(ranges)}")
        if shape:
            row = (end - start) // shape[0] if shape[0] else 0
            start, end = start + ranges[0].start * row, start + ranges[0].stop * row
            shape = [len(ranges[0]), *shape[1:]]
        if start == end:
            return torch.empty([len(one) for one in ranges], dtype=dtype)
        raw = bytearray(self._read(self._start + start, self._start + end))
        rows = torch.frombuffer(raw, dtype=dtype).view(shape)
        box = tuple(slice(one.start, one.stop) for one in ranges[1:])
        return rows[:, *box].contiguous() if box else rows


def _bytes_of(tensor: Tensor) -> memoryview:
    if tensor.numel() == 0:
        return memoryview(b"")
    raw: memoryview = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data
    return raw
