"""`ownlm vocab`: compare vocabularies."""

from __future__ import annotations

from typing import Annotated

import typer

from ownlm.arguments import DEFAULT_HOME, AsJson, Home, Overrides, PageFolder, RecipePath, Sources
from ownlm.terminal import Terminal

vocab = typer.Typer(no_args_is_help=True, help="Choose a vocabulary.")
out = Terminal()
err = Terminal(stderr=True)


@vocab.command()
def sweep(
    recipe: RecipePath,
    sizes: Annotated[str, typer.Argument(help="Tokens, e.g. 8k,16k,32k; k is 1024.")],
    overrides: Overrides = None,
    source: Sources = None,
    folder: PageFolder = None,
    as_json: AsJson = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """Compare vocabularies of several sizes, learned from a run's corpus: tokens, and compute, a byte of code."""
    from ownlm import sweeping, sweeping_page
    from ownlm.pipeline.progress import progress_for
    from ownlm.pipeline.store import Store
    from ownlm.recipe.load import load_recipe

    loaded = load_recipe(recipe, overrides or (), source or ())
    asked, store = sweeping.sizes_of(sizes, loaded.vocabulary.reserved), Store(home)
    compared = sweeping.compare(loaded, store, asked, progress_for(err if as_json else out), f"ownlm run {recipe}")
    page = sweeping_page.write(compared, folder or store.home / "vocab" / loaded.name)
    if as_json:
        sweeping.print_json(out, compared)
    else:
        sweeping.print_comparison(out, compared)
        out.print(f"page  {page}", markup=False, soft_wrap=True)
