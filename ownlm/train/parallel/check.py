"""Whether a model and its batches can be divided as a mesh asks, before anything runs. No torch.

Every refusal says which numbers do not fit and the nearest that do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ownlm.errors import RecipeError
from ownlm.model.architecture import Architecture
from ownlm.train.parallel.config import MeshConfig

if TYPE_CHECKING:
    from ownlm.train.config import TrainConfig

PROCESSES_A_CORE = 4
"""More training processes on a CPU than this many a core only wait for each other."""


def check_mesh(train: TrainConfig, architecture: Architecture) -> None:
    """Refuse what cannot be divided.

    Raises:
        RecipeError: the first thing that does not fit.
    """
    mesh = train.mesh
    checks = (_rows(train), _tensor(train, architecture), _pipeline(train, architecture), _context(mesh, architecture))
    for problems in (*checks, _experts(mesh, architecture), _machines(mesh)):
        for what, advice in problems:
            raise RecipeError(what, where="train.mesh", advice=advice)


def check_machine(mesh: MeshConfig, gpus: int, cores: int) -> None:
    """Refuse more places than this machine has room for.

    Args:
        mesh: the recipe's.
        gpus: of this machine; 0: places are processes on its CPU.
        cores: usable cores of this machine.

    Raises:
        RecipeError: too many.
    """
    local = mesh.places // mesh.nodes
    room = gpus or cores * PROCESSES_A_CORE
    if local <= room:
        return
    has = f"{gpus} GPUs" if gpus else f"{cores} cores, which is room for {room} processes"
    raise RecipeError(
        f"the mesh wants {local} places on this machine, which has {has}",
        where="train.mesh",
        advice=f"lower data, shard, tensor, pipeline or context to a product of {room * mesh.nodes}, or raise nodes",
    )


Problem = tuple[str, str]


def nearest(value: int, divides: int) -> str:
    """The divisors of `divides` around `value`, in words."""
    found = [number for number in range(1, divides + 1) if divides % number == 0]
    around = [max((n for n in found if n <= value), default=1), min((n for n in found if n >= value), default=divides)]
    return " or ".join(str(number) for number in dict.fromkeys(around))


def _rows(train: TrainConfig) -> Iterator[Problem]:
    parts = train.mesh.row_parts
    for name, rows in (("train.batch", train.batch), *(("train.batch_warmup", size) for _, size in train.batch_warmup)):
        if rows % parts:
            below = f"{rows // parts * parts} or " if rows > parts else ""
            yield (
                f"{name} has {rows} windows, which cannot be divided among data x shard = {parts} places",
                f"set {name} to {below}{-(-rows // parts) * parts}, or data x shard to {nearest(parts, rows)}",
            )


def _tensor(train: TrainConfig, architecture: Architecture) -> Iterator[Problem]:
    mesh, places = train.mesh, train.mesh.tensor
    if mesh.sequence and places == 1:
        yield "sequence parallel needs tensor parallel", "set tensor to more than 1, or sequence to false"
    if places == 1:
        return
    if train.compile == "on":
        yield "torch.compile cannot compile blocks that are divided by tensor", "set train.compile to auto or off"
    for name, number in _widths(architecture):
        if number % places:
            yield (
                f"{number} {name} cannot be divided among tensor = {places} places",
                f"set tensor to {nearest(places, number)}, or model.{name} to a multiple of {places}",
            )
    if mesh.sequence and (architecture.context // mesh.context) % places:
        length = architecture.context // mesh.context
        yield (
            f"{length} positions cannot be divided among tensor = {places} places (sequence: true)",
            f"set tensor to {nearest(places, length)}, or sequence to false",
        )


def _widths(architecture: Architecture) -> Iterator[tuple[str, int]]:
    """What tensor parallel divides of blocks."""
    yield from (("heads", architecture.heads), ("kv_heads", architecture.kv_heads))
    if not all(architecture.has_experts(layer) for layer in range(architecture.layers)):
        yield "d_ff", architecture.d_ff
    if architecture.experts is not None:
        yield "experts.d_ff", architecture.experts.d_ff


def _pipeline(train: TrainConfig, architecture: Architecture) -> Iterator[Problem]:
    mesh, places = train.mesh, train.mesh.pipeline
    if places == 1:
        return
    if mesh.stages > architecture.layers:
        yield (
            f"{architecture.layers} layers are too few for {mesh.stages} stages",
            f"lower pipeline, or set model.layers to at least {mesh.stages}",
        )
    rows, parts = train.batch // mesh.row_parts, mesh.microbatches_of(train.batch)
    if rows % parts:
        advice = f"set microbatches to {nearest(parts, rows)}"
        yield f"{rows} windows a place cannot be divided into {parts} microbatches", advice
    if parts < places or (mesh.schedule == "interleaved" and parts % places):
        yield (
            f"a pipeline of {places} stages needs {'a multiple of ' if mesh.schedule == 'interleaved' else 'at least '}"
            f"{places} microbatches; {rows} windows a place make {parts}",
            f"set train.batch to {mesh.row_parts * places} or twice that, or lower pipeline",
        )
    for _, windows in train.batch_warmup:
        if windows % train.batch:
            advice = f"let train.batch_warmup have multiples of train.batch ({train.batch})"
            yield f"a pipeline's batches are all equally large; the warm-up has {windows} windows", advice


def _context(mesh: MeshConfig, architecture: Architecture) -> Iterator[Problem]:
    places, length = mesh.context, architecture.context
    if places == 1:
        return
    if length % (2 * places):
        yield (
            f"{length} positions cannot be divided into 2 x context = {2 * places} stretches",
            f"set shards.context to {length // (2 * places) * 2 * places or 2 * places}, or lower context",
        )
    elif architecture.state_space is not None and length // (2 * places) < architecture.state_space.d_conv - 1:
        yield (
            f"stretches of {length // (2 * places)} positions are fewer than the {architecture.state_space.d_conv - 1} "
            "a convolution of the state-space layers looks back",
            "lower context, or raise shards.context",
        )


def _experts(mesh: MeshConfig, architecture: Architecture) -> Iterator[Problem]:
    places, others = mesh.expert, mesh.data * mesh.shard * mesh.context
    if places == 1:
        return
    if architecture.experts is None:
        yield f"the family {architecture.family} has no experts to divide", "set expert to 1"
        return
    if architecture.experts.count % places:
        advice = f"set expert to {nearest(places, architecture.experts.count)}"
        yield f"{architecture.experts.count} experts cannot be divided among expert = {places} places", advice
    if others % places:
        yield (
            f"expert = {places} must divide data x shard x context = {others}, whose places it reuses",
            f"set expert to {nearest(places, others)}",
        )


def _machines(mesh: MeshConfig) -> Iterator[Problem]:
    if mesh.places % mesh.nodes:
        advice = f"set nodes to {nearest(mesh.nodes, mesh.places)}"
        yield f"{mesh.places} places cannot be divided among {mesh.nodes} machines", advice
    if mesh.nodes > 1 and not mesh.rendezvous:
        yield "several machines need an address to meet at", "set train.mesh.rendezvous to HOST:PORT of this machine"
