"""The mesh of a job that goes on with fewer machines, or with more again.

Replicas go first: they only shared the work. Without enough of them each place holds more (shard). How a model is cut
(tensor, pipeline, context) stays. Batches are the same in every mesh, so the run is the same run, only slower.
"""

from __future__ import annotations

from ownlm.errors import RecipeError
from ownlm.model.architecture import Architecture
from ownlm.train.config import TrainConfig
from ownlm.train.parallel.check import check_mesh
from ownlm.train.parallel.config import MeshConfig


def fitted(train: TrainConfig, architecture: Architecture, world: int) -> TrainConfig:
    """The settings for `world` places.

    Args:
        train: as the recipe has them.
        architecture: of the model.
        world: places there are.

    Raises:
        RecipeError: the model or its batches cannot be divided so.
    """
    if world == train.mesh.places:
        return train
    found = train.model_copy(update={"mesh": _mesh(train.mesh, world)})
    check_mesh(found, architecture)
    return found


def _mesh(mesh: MeshConfig, world: int) -> MeshConfig:
    fixed = mesh.tensor * mesh.pipeline * mesh.context
    rows, left = divmod(world, fixed)
    if left or rows == 0:
        raise RecipeError(
            f"{world} places are left, which tensor x pipeline x context = {fixed} does not divide",
            where="train.mesh",
            advice="raise train.fault.min_nodes, or wait until more machines are there, and run the same command",
        )
    shard = max(one for one in range(1, mesh.shard + 1) if rows % one == 0)
    return mesh.model_copy(update={"data": rows // shard, "shard": shard, "nodes": 1, "rendezvous": ""})
