"""`ownlm plan RECIPE --gpus N`: layouts for the recipe's model on GPUs that need not be here."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console

from ownlm.errors import RecipeError
from ownlm.recipe.schema import Recipe
from ownlm.train.planning.hardware import gpu_named
from ownlm.train.planning.propose import Proposal, propose
from ownlm.train.planning.show import print_proposals


@dataclass(frozen=True)
class Asked:
    """What layouts are asked for.

    Attributes:
        gpus: all together.
        gpu: their kind's name.
        nodes: machines they are in, equally many in each.
        price: of one GPU for an hour; None: the recipe's, else the table's.
        mfu: share of a GPU's peak that computing reaches.
    """

    gpus: int
    gpu: str
    nodes: int = 1
    price: float | None = None
    mfu: float = 0.45

    def propose(self, recipe: Recipe) -> Proposed:
        """Layouts that fit, the fastest first.

        Raises:
            RecipeError: no such GPU, GPUs that machines cannot share evenly, or nothing fits.
        """
        gpu = gpu_named(self.gpu)
        if self.gpus % self.nodes or self.gpus // self.nodes > gpu.a_machine:
            least = -(-self.gpus // gpu.a_machine)
            raise RecipeError(
                f"{self.gpus} GPUs are not spread evenly over {self.nodes} machines of at most {gpu.a_machine}",
                where="--nodes",
                advice=f"give --nodes {next(n for n in range(least, self.gpus + 1) if self.gpus % n == 0)}",
            )
        architecture = recipe.model.architecture(recipe.vocabulary.size, recipe.shards.context)
        all_machines = recipe.train.price_per_hour
        price = all_machines / self.gpus if self.price is None and all_machines is not None else self.price
        found = propose(architecture, recipe.train, gpu, self.gpus, self.nodes, mfu=self.mfu, price=price)
        return Proposed(self, found, recipe.train.currency, own_price=price is not None)


@dataclass(frozen=True)
class Proposed:
    """What was found.

    Attributes:
        asked: for.
        layouts: the fastest first.
        currency: of their prices.
        own_price: it is not the table's.
    """

    asked: Asked
    layouts: list[Proposal]
    currency: str
    own_price: bool

    def show(self, out: Console) -> None:
        """Print the best few."""
        gpu = gpu_named(self.asked.gpu)
        print_proposals(out, self.layouts, gpu, self.asked.mfu, self.currency, own=self.own_price)
