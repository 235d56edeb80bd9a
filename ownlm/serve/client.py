"""Complete text with an exported model in this very process: `ownlm complete "def fib("`, no server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ownlm.errors import InputError
from ownlm.serve.call import CompletionOptions
from ownlm.serve.completion import Piece
from ownlm.serve.completion import complete as complete_pieces
from ownlm.serve.config import ServeConfig
from ownlm.serve.model import load_model


def nobody(text: str) -> None:
    """Listens to no piece."""


def complete(
    export_dir: Path,
    prefix: str,
    suffix: str = "",
    *,
    config: ServeConfig | None = None,
    max_tokens: int | None = None,
    temperature: float = 0.0,
    seed: int | None = None,
    stop: tuple[str, ...] = (),
    on_text: Callable[[str], None] = nobody,
) -> str:
    """The text the model puts after `prefix` (and before `suffix`, if there is one).

    Args:
        export_dir: folder of an export artifact.
        prefix: text before the cursor.
        suffix: text after the cursor; empty for none.
        config: engine, threads, layout; defaults if None.
        max_tokens: new tokens; None for the configuration's default.
        temperature: 0 for the likeliest text.
        seed: makes sampling reproducible.
        stop: strings that end the text.
        on_text: called with every piece of the text as it comes.

    Raises:
        ArtifactError: when the folder is not an export, is incomplete or damaged.
        InputError: when there is nothing to complete, the text is not valid Unicode, or the model cannot use a suffix.
    """
    if not prefix and not suffix:
        raise InputError("there is no text to complete", advice='give some, e.g. ownlm complete "def fib("')
    config = config or ServeConfig()
    model = load_model(export_dir, config)
    pieces: list[str] = []

    def on_piece(piece: Piece) -> None:
        pieces.append(piece.text)
        on_text(piece.text)

    try:
        if suffix and not model.fill_in_the_middle:
            raise InputError("this model was not trained to fill in the middle", advice="leave the suffix out")
        wanted = min(max_tokens or config.default_tokens, config.max_tokens)
        prompt = model.prompts.text(prefix, suffix, wanted, config.fim_order)
        complete_pieces(model, prompt, CompletionOptions(temperature=temperature, seed=seed, stop=stop), on_piece)
    finally:
        model.engine.close()
    return "".join(pieces)
