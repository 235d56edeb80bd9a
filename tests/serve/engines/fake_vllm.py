"""vLLM's /v1/models and /v1/completions, as its source has them, with our embedded engine behind.

From vllm/entrypoints/openai/completion/{protocol,serving}.py (main, 2026): chunks are dumped without unset fields;
`token_ids` are a chunk's new ones, that of the stop token among them, whose text is left out; the prompt's ids come
with the first; log-probabilities are keyed `token_id:N` when asked for so, the chosen token beside the likeliest.
"""

from __future__ import annotations

import asyncio
import json
import queue
import threading
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from ownlm.serve.engines.base import Engine, GenerationRequest, GenerationStep
from ownlm.tokens.vocabulary.load import Vocabulary

KEY = "sk-secret-of-the-engine"
MODEL = "company/model"


class FakeVllm:
    """The application, and what it saw.

    Attributes:
        asked: bodies of requests.
        ended: how each stream ended: "done", or "aborted" by its client.
        hold: set it to let a stream that waits before its first token go on.
        drop: connections to close without an answer.
    """

    def __init__(self, engine: Engine, vocabulary: Vocabulary) -> None:
        self.asked: list[dict[str, Any]] = []
        self.ended: list[str] = []
        self.hold = threading.Event()
        self.hold.set()
        self.failing = 0
        self._engine, self._vocabulary = engine, vocabulary
        self.app = FastAPI()
        self.app.get("/v1/models")(self.models)
        self.app.post("/v1/completions")(self.completions)

    async def models(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return JSONResponse({"error": "Unauthorized"}, 401)
        card = {"id": MODEL, "object": "model", "created": 1, "owned_by": "vllm", "root": MODEL, "max_model_len": 64}
        return JSONResponse({"object": "list", "data": [card]})

    async def completions(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return JSONResponse({"error": "Unauthorized"}, 401)
        body = json.loads(await request.body())
        self.asked.append(body)
        if self.failing:
            self.failing -= 1
            text = f"Value error, the prompt was {body['prompt']}"
            return JSONResponse({"error": {"message": text, "type": "BadRequestError", "code": 400}}, 400)
        if body.get("echo"):
            return JSONResponse(self._echo(body))
        return StreamingResponse(self._stream(body), media_type="text/event-stream")

    async def _stream(self, body: dict[str, Any]) -> AsyncIterator[str]:
        came: queue.SimpleQueue[GenerationStep | None] = queue.SimpleQueue()
        left, sent_prompt = threading.Event(), False
        thread = threading.Thread(target=self._compute, args=(body, came, left))
        thread.start()
        try:
            while (step := await asyncio.to_thread(came.get)) is not None:
                yield f"data: {json.dumps(self._chunk(body, step, first=not sent_prompt))}\n\n"
                sent_prompt = True
            self.ended.append("done")
            yield "data: [DONE]\n\n"
        except asyncio.CancelledError:
            self.ended.append("aborted")
            raise
        finally:
            left.set()

    def _compute(self, body: dict[str, Any], came: queue.SimpleQueue[GenerationStep | None], left: Any) -> None:
        while not self.hold.wait(0.01) and not left.is_set():
            pass
        request = GenerationRequest(
            prompt=tuple(body["prompt"]),
            max_tokens=body["max_tokens"],
            temperature=body["temperature"],
            top_p=body["top_p"],
            top_k=body.get("top_k", 0),
            seed=body.get("seed"),
            choices=body["n"],
            top_logprobs=body.get("logprobs"),
            stop_ids=frozenset(body["stop_token_ids"]),
        )
        self._engine.generate(request, lambda step: came.put(step) or left.is_set())
        came.put(None)

    def _chunk(self, body: dict[str, Any], step: GenerationStep, *, first: bool) -> dict[str, Any]:
        stopped = step.finish == "stop"
        choice: dict[str, Any] = {
            "index": step.choice,
            "text": "" if stopped else self._vocabulary.decode([step.token]),
            "logprobs": None,
            "finish_reason": step.finish,
            "stop_reason": step.token if stopped and step.token else None,  # None for the end of text
            "prompt_token_ids": body["prompt"] if first else None,
            "token_ids": [step.token] if body.get("return_token_ids") else None,
        }
        if step.score is not None:
            top = dict(step.score.top) | {step.token: step.score.logprob}
            choice["logprobs"] = {
                "text_offset": [0],
                "token_logprobs": [step.score.logprob],
                "tokens": [f"token_id:{step.token}"],
                "top_logprobs": [{f"token_id:{token}": value for token, value in top.items()}],
            }
        return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": MODEL, "choices": [choice]}

    def _echo(self, body: dict[str, Any]) -> dict[str, Any]:
        prompt, scores = body["prompt"], self._engine.score(body["prompt"], body["logprobs"])
        tops = [{f"token_id:{token}": value for token, value in score.top} for score in scores]
        said = {
            "text_offset": [0] * len(prompt),
            "token_logprobs": [None, *(score.logprob for score in scores)],
            "tokens": [f"token_id:{token}" for token in prompt],
            "top_logprobs": [None, *tops],
        }
        return {"id": "cmpl-2", "choices": [{"index": 0, "text": "", "logprobs": said, "finish_reason": "length"}]}
