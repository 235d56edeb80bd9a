"""A page in a folder, and beside it the figures it shows, for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ownlm.errors import StorageError
from ownlm.web.page import Page


def write_with_figures(page: Page, figures: Mapping[str, Any], folder: Path, name: str) -> Path:
    """Write index.html and the figures as JSON into a folder, which is made.

    Args:
        page: what a person reads.
        figures: plain values.
        folder: where both go.
        name: of the file with the figures.

    Returns:
        The page's file.

    Raises:
        StorageError: the folder cannot be written.
    """
    written = folder / "index.html"
    page.write(written)
    try:
        (folder / name).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise StorageError(f"The figures cannot be written: {error.strerror}.", where=folder) from error
    return written
