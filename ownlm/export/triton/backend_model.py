"""The model of Triton's Python backend: a CTranslate2 folder that streams tokens. Copied out as model.py.

Runs in Triton's own Python, which needs `ctranslate2` and `numpy` and nothing of ownlm. It computes what ownlm's
embedded engine computes, token for token: greedy search, the engine's own sampler, and with a seed the same draws
(`ownlm/serve/engines/{ctranslate2,sampling}.py` say why it goes this way).

Decoupled: a request is answered by one response a token. Cancelling a stream ends the generation at its next token.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import triton_python_backend_utils as pb_utils

Draw = Callable[[Any], int]
_SMALL = 64 * 2**20
"""Bytes of a model below which one thread is fastest."""


class TritonPythonModel:
    """What Triton's Python backend calls."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the folder beside this file."""
        parameters = json.loads(args["model_config"])["parameters"]
        settings = {name: value["string_value"] for name, value in parameters.items()}
        folder = Path(args["model_repository"]) / args["model_version"] / "ctranslate2"
        parallel = int(settings["parallel"])
        self._names: list[str] = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
        self._generator = ctranslate2.Generator(
            str(folder),
            device=settings["device"],
            compute_type=settings["compute_type"],
            inter_threads=parallel,
            intra_threads=int(settings["threads"]) or int((folder / "model.bin").stat().st_size < _SMALL),
        )
        self._pool = ThreadPoolExecutor(parallel)

    def execute(self, requests: list[Any]) -> None:
        """Answer in the background: a decoupled model returns nothing here."""
        for request in requests:
            asked = {
                name: tensor.as_numpy()
                for name in _INPUTS
                if (tensor := pb_utils.get_input_tensor_by_name(request, name)) is not None
            }
            self._pool.submit(self._answer, asked, request.get_response_sender())

    def finalize(self) -> None:
        """Let what is under way end."""
        self._pool.shutdown()

    def _answer(self, asked: dict[str, Any], sender: Any) -> None:
        try:
            request = _Request(asked, len(self._names))
            if sender.is_cancelled():
                pass  # nobody waits any more
            elif request.score_only:
                self._score(request, sender)
            elif request.draw is None:
                self._generate(request, sender)
            else:
                for choice in range(request.choices):
                    if not sender.is_cancelled():
                        self._draft(request, choice, sender)
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
        except Exception as error:  # whatever it is: the client is told, the server goes on
            failed = pb_utils.InferenceResponse(error=pb_utils.TritonError(f"{type(error).__name__}: {error}"))
            sender.send(failed, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def _generate(self, request: _Request, sender: Any) -> None:
        """Greedy, or the engine's own sampler; a batch of choices, but one at a time where scores are asked for."""
        together = request.choices if request.top < 0 and request.temperature > 0 else 1
        repeated = range(0, request.choices, together) if request.temperature > 0 else (0,)
        for first in repeated:

            def callback(step: Any, first: int = first) -> bool:
                choices = [first + step.hypothesis_id] if request.temperature > 0 else range(request.choices)
                for choice in choices:
                    sender.send(request.response(choice, step.token_id, step.step + 1, step))
                return bool(sender.is_cancelled())

            self._run(request, [], request.max_tokens, callback, num_hypotheses=together, **request.sampling)

    def _draft(self, request: _Request, choice: int, sender: Any) -> None:
        """With a seed: the engine goes the likeliest way, we draw, and where we draw another token it starts again."""
        draw, chosen, ended = request.drawing(choice), list[int](), False

        def callback(step: Any) -> bool:
            nonlocal ended
            chosen.append(draw(np.array(step.logits)[0]))
            sender.send(request.response(choice, chosen[-1], len(chosen), step))
            ended = chosen[-1] in request.stop_ids or len(chosen) >= request.max_tokens or bool(sender.is_cancelled())
            return ended or chosen[-1] != step.token_id

        while not ended:
            left = request.max_tokens - len(chosen)
            self._run(request, chosen, left, callback, sampling_topk=1, return_logits_vocab=True)

    def _run(self, request: _Request, chosen: list[int], left: int, callback: Any, **options: Any) -> None:
        options.setdefault("return_logits_vocab", request.top >= 0)
        self._generator.generate_batch(
            [[self._names[token] for token in (*request.prompt, *chosen)]],
            max_length=left,
            include_prompt_in_result=False,
            end_token=sorted(request.stop_ids),
            callback=callback,
            **options,
        )

    def _score(self, request: _Request, sender: Any) -> None:
        """Log-probabilities of the prompt's tokens but the first, one response each."""
        logits_1LV = np.array(self._generator.forward_batch([[self._names[token] for token in request.prompt[:-1]]]))
        for logits_V, token in zip(logits_1LV[0], request.prompt[1:], strict=True):
            sender.send(_response(0, token, "", _scores(logits_V, token, max(0, request.top))))


class _Request:
    """One request's settings, checked.

    Raises:
        ValueError: a value that cannot be.
    """

    def __init__(self, asked: dict[str, Any], vocabulary: int) -> None:
        def one(name: str, default: float) -> Any:
            return asked[name].reshape(-1)[0].item() if name in asked else default

        self.prompt: list[int] = asked["input_ids"].reshape(-1).tolist()
        self.max_tokens = int(one("max_tokens", 64))
        self.temperature = float(one("temperature", 0.0))
        self.top_p, self.top_k = float(one("top_p", 1.0)), int(one("top_k", 0))
        self.choices, self.top = int(one("choices", 1)), int(one("logprobs", -1))
        self.stop_ids: set[int] = set(asked["stop_ids"].reshape(-1).tolist()) if "stop_ids" in asked else {0}
        self.score_only = bool(one("score_only", False))
        self.draw = int(one("seed", 0)) if "seed" in asked and self.temperature > 0 else None
        ids = [*self.prompt, *self.stop_ids]
        if not self.prompt or not (min(ids) >= 0 and max(ids) < vocabulary):
            raise ValueError(f"token ids must be from 0 to {vocabulary - 1}, one at least")
        if self.max_tokens < 1 or not 1 <= self.choices <= 128 or not 0 < self.top_p <= 1 or self.top_k < 0:
            raise ValueError("max_tokens and choices must be positive, top_p within (0, 1], top_k not negative")

    @property
    def sampling(self) -> dict[str, Any]:
        """The engine's options."""
        if self.temperature <= 0:
            return {"sampling_topk": 1}
        return {
            "sampling_topk": self.top_k,
            "sampling_topp": self.top_p,
            "sampling_temperature": self.temperature,
        }

    def response(self, choice: int, token: int, made: int, step: Any) -> Any:
        """One token's response."""
        finish = "stop" if token in self.stop_ids else "length" if made >= self.max_tokens else ""
        scores = _scores(np.array(step.logits)[0], token, self.top) if self.top >= 0 else None
        return _response(choice, token, finish, scores)

    def drawing(self, choice: int) -> Draw:
        """Draws of a seed, as `ownlm.serve.engines.sampling.SeededSampler` makes them."""
        assert self.draw is not None
        stream = np.random.Generator(np.random.Philox(key=np.array([self.draw % 2**64, choice], dtype=np.uint64)))

        def draw(logits_V: Any) -> int:
            cumulative_V = np.cumsum(self._filtered(logits_V))
            return int(np.searchsorted(cumulative_V, stream.random() * cumulative_V[-1], side="right"))

        return draw

    def _filtered(self, logits_V: Any) -> Any:
        """Probabilities after temperature, top_k and top_p."""
        probabilities_V = np.exp(_log_softmax(logits_V.astype(np.float64) / self.temperature))
        if 0 < self.top_k < len(probabilities_V):
            order = np.argsort(-probabilities_V, kind="stable")
            probabilities_V[order[self.top_k :]] = 0.0
        if self.top_p < 1.0:
            order = np.argsort(-probabilities_V, kind="stable")
            sums = np.cumsum(probabilities_V[order]) / probabilities_V.sum()
            probabilities_V[order[int(np.searchsorted(sums, self.top_p)) + 1 :]] = 0.0
        return probabilities_V / probabilities_V.sum()


def _response(choice: int, token: int, finish: str, scores: tuple[float, list[tuple[int, float]]] | None) -> Any:
    logprob, top = scores or (float("nan"), [])
    return pb_utils.InferenceResponse(
        [
            pb_utils.Tensor("choice", np.array([choice], dtype=np.int32)),
            pb_utils.Tensor("token", np.array([token], dtype=np.int32)),
            pb_utils.Tensor("finish_reason", np.array([finish.encode()], dtype=np.object_)),
            pb_utils.Tensor("logprob", np.array([logprob], dtype=np.float64)),
            pb_utils.Tensor("top_ids", np.array([number for number, _ in top], dtype=np.int32)),
            pb_utils.Tensor("top_logprobs", np.array([value for _, value in top], dtype=np.float64)),
        ]
    )


def _scores(logits_V: Any, token: int, top: int) -> tuple[float, list[tuple[int, float]]]:
    log_probs_V = _log_softmax(logits_V)
    best: list[int] = []
    if top:
        candidates = np.argpartition(-log_probs_V, min(top, len(log_probs_V)) - 1)[:top]
        best = sorted((int(number) for number in candidates), key=lambda number: (-log_probs_V[number], number))
    return float(log_probs_V[token]), [(number, float(log_probs_V[number])) for number in best]


def _log_softmax(logits_V: Any) -> Any:
    shifted_V = logits_V.astype(np.float64) - float(logits_V.max())
    return shifted_V - np.log(np.exp(shifted_V).sum())


_INPUTS = (
    "input_ids",
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "choices",
    "stop_ids",
    "logprobs",
    "score_only",
)
