"""Which parts of a run's tensors a process holds, which of them it writes, and how it fills them again.

Names are those of the whole model in every layout, so what one layout wrote another one reads: each process reads the
boxes it needs from whatever files hold them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

from ownlm.model.decoder import Decoder
from ownlm.train.checkpoint.description import Span
from ownlm.train.checkpoint.group import Group

EMBEDDING, HEAD = "embed_tokens.weight", "lm_head.weight"


class Source(Protocol):
    """Whole tensors by name, of which boxes can be read."""

    def names(self) -> Iterable[str]:
        """Of all."""
        ...

    def shape(self, name: str) -> tuple[int, ...]:
        """Of the whole tensor."""
        ...

    def box(self, name: str, ranges: list[range]) -> Tensor:
        """The elements in a box."""
        ...


class Division:
    """Which process writes what: each part once, by one of those that hold it, evenly by bytes.

    Args:
        group: of all processes, who make this together.
    """

    def __init__(self, group: Group) -> None:
        self._group = group
        self._known: dict[tuple[Any, ...], set[str]] = {}

    def mine(self, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Span]]:
        """Of the tensors this process holds: those it writes (its own memory, no copies), and where parts lie.

        All processes call it, each with its own. What they hold changes for all of them together or not at all.
        """
        if self._group.world == 1:
            return dict(tensors), {}
        held = {name: _held(tensor) for name, tensor in tensors.items()}
        signature = tuple((name, span, tuple(local.shape)) for name, (local, span) in held.items())
        if signature not in self._known:
            sizes = [(name, span.offset, local.numel() * local.element_size()) for name, (local, span) in held.items()]
            self._known = {signature: _assigned(self._group.gathered(sizes))[self._group.rank]}
        chosen = self._known[signature]
        locals_ = {name: local for name, (local, _) in held.items() if name in chosen}
        spans = {name: held[name][1] for name, local in locals_.items() if held[name][1].whole != tuple(local.shape)}
        return locals_, spans


def without_tied_head(decoder: Decoder, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A head that is the embedding is not saved twice."""
    tied = decoder.architecture.tied
    return {name: tensor for name, tensor in tensors.items() if not (tied and HEAD in name)}


@torch.no_grad()
def fill(decoder: Decoder, source: Source) -> None:
    """Copy weights and buffers into the parts of them that this process holds.

    A head that is tied to an embedding on another stage is a weight of its own here: it takes the embedding's value.
    """
    for name, tensor in _named(decoder).items():
        stored = _stored_name(decoder, name)
        _local(tensor).copy_(source.box(stored, _ranges(tensor)))


def state_for(decoder: Decoder, source: Source) -> dict[str, Tensor]:
    """Tensors that go with weights (`weight name`, or `weight name/state name`), divided as the weights are."""
    weights = dict(decoder.named_parameters())
    owners = {_stored_name(decoder, name): name for name in weights}
    found = {}
    for stored in source.names():
        path, slash, key = stored.rpartition("/")
        name = owners.get(stored if stored in owners else path)
        if name is not None:
            found[name if stored in owners else f"{name}{slash}{key}"] = _taken(source, stored, weights[name])
    return found


def _taken(source: Source, stored: str, weight: Tensor) -> Tensor:
    """As the weight is divided; a count of steps is nobody's part."""
    shape = source.shape(stored)
    if not isinstance(weight, DTensor) or shape != tuple(weight.shape):
        return source.box(stored, [range(size) for size in shape])
    local = source.box(stored, _ranges(weight)).to(weight.device)
    return DTensor.from_local(
        local, weight.device_mesh, weight.placements, run_check=False, shape=weight.shape, stride=weight.stride()
    )


def _named(decoder: Decoder) -> dict[str, Tensor]:
    """What `state_dict` holds."""
    saved = decoder.state_dict().keys()
    return {name: tensor for name, tensor in [*decoder.named_parameters(), *decoder.named_buffers()] if name in saved}


def _stored_name(decoder: Decoder, name: str) -> str:
    return name.replace(HEAD, EMBEDDING) if decoder.architecture.tied else name


def _held(tensor: Tensor) -> tuple[Tensor, Span]:
    """The memory of this process, and where it lies in the whole."""
    if not isinstance(tensor, DTensor):
        return tensor, Span(tuple(tensor.shape), (0,) * tensor.dim())
    _, offset = compute_local_shape_and_global_offset(tensor.shape, tensor.device_mesh, tensor.placements)
    return tensor.to_local(), Span(tuple(tensor.shape), tuple(offset))


def _ranges(tensor: Tensor) -> list[range]:
    """The box of the whole that this process holds."""
    if not isinstance(tensor, DTensor):
        return [range(size) for size in tensor.shape]
    shape, offset = compute_local_shape_and_global_offset(tensor.shape, tensor.device_mesh, tensor.placements)
    if 0 in shape:
        return [range(size) for size in shape]
    return [range(start, start + size) for start, size in zip(offset, shape, strict=True)]


def _local(tensor: Tensor) -> Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _assigned(held: list[list[tuple[str, tuple[int, ...], int]]]) -> list[set[str]]:
    """Names by process: large parts first, each to the holder with the least to write."""
    holders: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    size_of: dict[tuple[str, tuple[int, ...]], int] = {}
    for rank, parts in enumerate(held):
        for name, offset, size in parts:
            if size:
                holders.setdefault((name, offset), []).append(rank)
                size_of[name, offset] = size
    load, chosen = [0] * len(held), [set[str]() for _ in held]
    for part in sorted(holders, key=lambda part: (-size_of[part], part)):
        rank = min(holders[part], key=lambda rank: (load[rank], rank))
        load[rank] += size_of[part]
        chosen[rank].add(part[0])
    return chosen


def boxes_of(entry: Mapping[str, Any], ranges: list[range]) -> Iterator[tuple[int, list[range], list[range]]]:
    """The stored parts that meet a box: (file, box inside the part, box inside the wanted one)."""
    for file, offset, shape in entry["parts"]:
        common = [
            range(max(wanted.start, start), min(wanted.stop, start + size))
            for wanted, start, size in zip(ranges, offset, shape, strict=True)
        ]
        if all(len(one) > 0 for one in common):
            inside = [range(one.start - start, one.stop - start) for one, start in zip(common, offset, strict=True)]
            yield (
                file,
                inside,
                [
                    range(one.start - wanted.start, one.stop - wanted.start)
                    for one, wanted in zip(common, ranges, strict=True)
                ],
            )
