"""A served model: everything the gateway needs from one export folder.

<export>/ctranslate2/   model.bin, config.json, vocabulary.json   the engine's
                        tokenizer.json, ownlm.json                ours: text to tokens, name and context
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

from ownlm.errors import ArtifactError
from ownlm.serve.config import ServeConfig
from ownlm.serve.engines.base import Engine
from ownlm.serve.prompt.build import PromptBuilder
from ownlm.serve.prompt.other_files import CommentedFiles, OtherFiles, RepositoryFiles
from ownlm.serve.supervised import Supervised
from ownlm.tokens.vocabulary.load import Vocabulary

ENGINE_FOLDER = "ctranslate2"
DESCRIBED = {"torch": ("huggingface",), "llamacpp": ("gguf",), "triton": ("triton",), "http": ("gguf", "triton")}
"""Engines -> folders of an export that tell the vocabulary and the context, before CTranslate2's, best first."""
DESCRIPTION_FILE = "ownlm.json"
_REMAKE = "export the model again: delete this artifact and run the same command"


@dataclass(frozen=True)
class ServedModel:
    """A loaded model.

    Attributes:
        name: what clients call it.
        version: which one of that name: the key of its export artifact, or the name of its folder.
        context: tokens it was trained to see at once.
        created: seconds since 1970 when it was exported.
        fill_in_the_middle: it was trained to fill in the middle; otherwise a suffix means nothing to it.
        vocabulary: text to ids and back.
        engine: computes tokens.
        chat: it was trained to converse, with the vocabulary's markers of turns.
        pack: it was trained on single documents, or on repositories, whose files see each other.
        repository_names: of repositories, it has seen names and paths, too.
    """

    name: str
    version: str
    context: int
    created: int
    fill_in_the_middle: bool
    vocabulary: Vocabulary
    engine: Engine
    chat: bool = False
    pack: Literal["documents", "repositories"] = "documents"
    repository_names: bool = True

    @cached_property
    def prompts(self) -> PromptBuilder:
        """Builds this model's prompts."""
        files: OtherFiles = CommentedFiles(self.vocabulary)
        if self.pack == "repositories":
            files = RepositoryFiles(self.vocabulary, names=self.repository_names)
        return PromptBuilder(self.vocabulary, self.context, files, fill_in_the_middle=self.fill_in_the_middle)

    @cached_property
    def stop_ids(self) -> frozenset[int]:
        """Tokens that end a completion: every special token, for none of them stands for text."""
        return frozenset(range(self.vocabulary.special.count))


def load_model(export_dir: Path, config: ServeConfig, model_name: str | None = None) -> ServedModel:
    """Load the model of an export artifact.

    Args:
        export_dir: the artifact's folder.
        config: which engine, and how.
        model_name: what clients call it; None for the name it was exported under.

    Raises:
        ArtifactError: when the folder is not an export, is incomplete or damaged.
        DependencyError: when the engine's package is missing.
        ServerError: when the engine refuses its settings.
    """
    folders = [export_dir / name for name in DESCRIBED.get(config.engine, ())]
    folder = next((one for one in folders if (one / DESCRIPTION_FILE).is_file()), export_dir / ENGINE_FOLDER)
    if not folder.is_dir():
        raise ArtifactError(
            f"this is not an export with a {ENGINE_FOLDER} folder",
            where=export_dir,
            advice="give the folder of an export artifact; add ctranslate2 to the recipe's export if it was left out",
        )
    return load_folder(folder, config, model_name)


def load_folder(folder: Path, config: ServeConfig, model_name: str | None = None) -> ServedModel:
    """Load the model in the engine's own folder, wherever it lies; raises as `load_model`."""
    from ownlm.serve.engines.open import open_engine

    description = _read_description(folder / DESCRIPTION_FILE)
    vocabulary = Vocabulary.load(folder)
    vocabulary.token_bytes  # noqa: B018  built now rather than in the first request
    trained_with = description.get("vocabulary", {}).get("sha256", vocabulary.content)
    if trained_with != vocabulary.content:
        raise ArtifactError("the tokenizer is not the one the model was trained with", where=folder, advice=_REMAKE)
    return ServedModel(
        name=model_name or description["name"],
        version=(folder.parent if folder.name in (ENGINE_FOLDER, "huggingface", "gguf", "triton") else folder).name,
        context=description["context"],
        created=int((folder / DESCRIPTION_FILE).stat().st_mtime),
        fill_in_the_middle=bool(description.get("fill_in_the_middle", True)),
        vocabulary=vocabulary,
        engine=Supervised(partial(open_engine, folder, config)),
        chat=bool(description.get("chat", False)),
        pack=description.get("pack", "documents"),
        repository_names=bool(description.get("repository_names", True)),
    )


def _read_description(file: Path) -> dict[str, Any]:
    try:
        description = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(description["name"], str) or not description["name"]:
            raise ValueError("name must be a text")
        if not isinstance(description["context"], int) or description["context"] < 16:
            raise ValueError("context must be a number of at least 16")
        if description.get("pack", "documents") not in ("documents", "repositories"):
            raise ValueError("pack must be documents or repositories")
    except KeyError as error:
        raise ArtifactError(f"{error} is missing", where=file, advice=_REMAKE) from error
    except (OSError, ValueError, TypeError) as error:
        raise ArtifactError(f"the model's description cannot be read: {error}", where=file, advice=_REMAKE) from error
    return description  # type: ignore[no-any-return]
