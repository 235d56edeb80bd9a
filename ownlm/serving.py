"""The end of a run: serve its model, ask it a few completions over HTTP, show where to look."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from ownlm.errors import InputError, RecipeError, ServerError
from ownlm.pipeline.artifact import Artifact
from ownlm.pipeline.store import Store
from ownlm.recipe.schema import Question, Recipe
from ownlm.runs import RunRecord, artifact_of, read_saved_recipe
from ownlm.serve.config import ServeConfig

if TYPE_CHECKING:
    from ownlm.serve.dashboard import PanelSource
    from ownlm.serve.feedback import Feedback
    from ownlm.serve.routing import Router

SHOWN = 3
CONTEXT_LINES = 6


def check(recipe: Recipe) -> None:
    """Raise before anything runs if the run could not end with serving.

    Raises:
        RecipeError: the recipe does not export what the server reads, or asks what its model will not learn.
        ServerError: the address is taken; see `ownlm.serve.listening.bind`.
    """
    from ownlm.serve.listening import bind
    from ownlm.serve.model import DESCRIBED

    served = any(getattr(recipe.export, form) is not None for form in DESCRIBED.get(recipe.serve.engine, ()))
    if recipe.export.ctranslate2 is None and not served:
        advice = "Set export.ctranslate2={}, or add --no-serve."
        raise RecipeError("The recipe exports nothing that can be served.", where="export", advice=advice)
    if recipe.objectives.fill_in_the_middle is None and any(question.suffix for question in recipe.ask):
        advice = "Set objectives.fill_in_the_middle={}, or ask without a suffix."
        raise RecipeError("A question has a suffix, but no fill-in-the-middle is trained.", where="ask", advice=advice)
    bind(recipe.serve.host, recipe.serve.port).close()


def serve_run(out: Console, store: Store, record: RunRecord, recipe: Recipe, *, ask: bool = True) -> None:
    """Serve a run's model until interrupted, after asking it the recipe's questions.

    Args:
        out: where to print.
        store: the artifacts.
        record: the run.
        recipe: its serving settings and questions.
        ask: whether to show completions first.
    """
    from ownlm.serve.server import running_server

    export = artifact_of(store, record, "export")
    with ExitStack() as stack:
        feedback = _feedback(stack, recipe.serve, store)
        router = _router(recipe.serve, store, export, recipe.name)
        _watch(stack, recipe.serve, store)
        server = stack.enter_context(
            running_server(
                export.path,
                recipe.serve,
                model_name=recipe.name,
                reports=record.index.parent,
                router=router,
                feedback=feedback,
                panels=_panels(recipe.serve, store),
                copies=_copies(store),
            )
        )
        if ask and not recipe.serve.keys and not recipe.serve.tls_certificate:
            asked = [(question, "") for question in recipe.ask]
            fills = recipe.objectives.fill_in_the_middle is not None
            asked = asked or held_out_questions(artifact_of(store, record, "evaluate"), fills=fills)
            out.print()
            for question, expected in asked[:SHOWN]:
                show_completion(out, question, ask_completion(server.url, recipe.name, question), expected)
        _show_addresses(out, server.url, recipe.name, report=True)
        server.wait()


def serve_record(out: Console, store: Store, record: RunRecord, settings: ServeConfig) -> None:
    """Serve a finished run by its record, with the recipe saved beside it and these settings of serving."""
    recipe = read_saved_recipe(record)
    serve_run(out, store, record, recipe.model_copy(update={"serve": settings}), ask=False)


def serve_folder(out: Console, store: Store, folder: Path, name: str, settings: ServeConfig) -> None:
    """Serve what a folder holds, and what it holds next, until interrupted. See `ownlm.serve.watch`.

    Args:
        out: where to print.
        store: below its home feedback is kept.
        folder: an export, or a folder with `current`.
        name: what clients call the model; "" for the folder's name.
        settings: of serving.

    Raises:
        InputError: there is no such folder.
    """
    from ownlm.serve.server import running_server
    from ownlm.serve.watch import FolderRouter, newest

    if not folder.is_dir():
        raise InputError("There is no such folder to watch.", where=folder, advice="Name a folder with an export.")
    name = name or folder.resolve().name
    with ExitStack() as stack:
        feedback = _feedback(stack, settings, store)
        router = FolderRouter(folder, name)
        server = stack.enter_context(
            running_server(
                None,
                settings,
                router=router,
                feedback=feedback,
                panels=_panels(settings, store),
                copies=_copies(store),
            )
        )
        _show_addresses(out, server.url, name, report=False)
        if newest(folder) is None:
            out.print(f"No export is in {folder} yet; the first one is served as soon as it is there.", markup=False)
        server.wait()


def _feedback(stack: ExitStack, settings: ServeConfig, store: Store) -> Feedback | None:
    if settings.feedback is None:
        return None
    from ownlm.live.feedback.open import open_feedback

    feedback = open_feedback(settings.feedback, store.home)
    stack.callback(feedback.close)
    return feedback


def _copies(store: Store) -> Path:
    """Where versions are kept that a rollout names by a URL."""
    return store.cache / "versions"


def _panels(settings: ServeConfig, store: Store) -> list[PanelSource]:
    found: list[PanelSource] = []
    if settings.rollout:
        from ownlm.live.panels import RolloutPanels
        from ownlm.live.rollout.registry import open_registry

        found.append(RolloutPanels(open_registry(settings.rollout), settings.feedback, store.home))
    if settings.feedback is not None:
        from ownlm.live.panels import FeedbackPanels

        found.append(FeedbackPanels(settings.feedback, store.home))
    return found


def _router(settings: ServeConfig, store: Store, export: Artifact, name: str) -> Router | None:
    if not settings.rollout:
        return None
    from ownlm.live.rollout.registry import open_registry
    from ownlm.live.rollout.router import ChannelRouter, Fallback

    return ChannelRouter(
        open_registry(settings.rollout),
        known=store.home / "rollout" / "known.json",
        fallback=Fallback(export.path.name, name, str(export.path)),
        channel=settings.channel,
    )


def _watch(stack: ExitStack, settings: ServeConfig, store: Store) -> None:
    """Have new versions taken back that break their guard-rails."""
    if not settings.rollout or settings.feedback is None:
        return
    from ownlm.live.feedback.open import open_store
    from ownlm.live.rollout.registry import open_registry
    from ownlm.live.rollout.watch import Watch

    kept = open_store(settings.feedback, store.home)
    stack.callback(kept.database.close)
    watching = Watch(open_registry(settings.rollout), kept, who=f"guard@{socket.gethostname()}")
    watching.start()
    stack.callback(watching.close)


def _show_addresses(out: Console, url: str, name: str, *, report: bool) -> None:
    out.print()
    out.print(f"  {'playground':<12} {url}", markup=False)
    out.print(f"  {'dashboard':<12} {url}/dashboard", markup=False)
    out.print(f"  {'API':<12} {url}/v1  (OpenAI; model {name!r})", markup=False)
    editors = "Tabby, llama.vscode, llama.vim, llm-ls, Continue: docs/editors.md"
    out.print(f"  {'editors':<12} {url}  ({editors})", markup=False)
    if report:
        out.print(f"  {'report':<12} {url}/report/index.html", markup=False)
    out.print("\nServing. Ctrl-C ends it; `ownlm serve` starts it again.", markup=False)


def complete_once(
    store: Store,
    record: RunRecord,
    prefix: str,
    suffix: str,
    *,
    tokens: int,
    temperature: float,
    single_line: bool,
) -> str:
    """One completion by a run's model in this process; `single_line` stops at the end of the line."""
    from ownlm.serve.client import complete

    export = artifact_of(store, record, "export")
    return complete(
        export.path,
        prefix,
        suffix,
        config=read_saved_recipe(record).serve,
        max_tokens=tokens,
        temperature=temperature,
        stop=("\n",) if single_line else (),
    )


def held_out_questions(evaluation: Artifact, *, fills: bool) -> list[tuple[Question, str]]:
    """Hidden lines of the held-out files, the user's own code, and what its author wrote there.

    Args:
        evaluation: the artifact of the stage `evaluate`.
        fills: the model was trained to fill in the middle, so what follows the line may be asked with it.
    """
    results = json.loads(evaluation.file("results.json").read_text(encoding="utf-8"))
    return [
        (Question(prefix=example["before"], suffix="\n" + example["after"] if fills else ""), example["expected"])
        for example in results.get("examples") or []
    ]


def ask_completion(url: str, model: str, question: Question) -> str:
    """Ask a running gateway for the rest of one line, greedily, as any OpenAI client would.

    Raises:
        ServerError: it does not answer, or answers with an error.
    """
    import httpx

    body: dict[str, object] = {
        "model": model,
        "prompt": question.prefix,
        "max_tokens": 48,
        "temperature": 0,
        "stop": ["\n"],
    }
    if question.suffix:
        body["suffix"] = question.suffix
    try:
        answer = httpx.post(f"{url}/v1/completions", json=body, timeout=60, trust_env=False)
        if answer.is_error:
            raise ServerError(f"The model did not answer: {answer.status_code} {answer.text[:300]}", where=url)
        return str(answer.json()["choices"][0]["text"])
    except (httpx.HTTPError, LookupError, TypeError, ValueError) as error:
        raise ServerError(f"The model did not answer: {type(error).__name__} {error}.", where=url) from error


def show_completion(out: Console, question: Question, completion: str, expected: str = "") -> None:
    """Print a question with the model's text where it belongs, in green, and what the author wrote, if known."""
    before = question.prefix.splitlines(keepends=True)[-CONTEXT_LINES:]
    after = "".join(question.suffix.splitlines(keepends=True)[:CONTEXT_LINES]).rstrip()
    out.print("[cyan]▸[/cyan] asked" + (" to fill in the middle" if question.suffix else " to go on"))
    text = Text("".join(before), style="dim")
    text.append(completion, style="bold green")
    text.append(after, style="dim")
    for line in text.split("\n"):
        out.print(Text("    ") + line, soft_wrap=True)
    if expected:
        out.print(Text("    its author wrote: ", style="italic") + Text(expected, style="cyan"), soft_wrap=True)
