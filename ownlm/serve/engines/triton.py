"""Triton Inference Server as the engine: gRPC, one stream a request, on what `ownlm export --to triton` wrote.

    tritonserver --model-repository=EXPORT/triton/python
    serve: {engine: triton, engine_url: grpc://127.0.0.1:8001}

Spoken with the stubs of NVIDIA's `tritonclient`. Cancelling the call reaches the model, which ends at its next token;
Triton's own metrics count such a request as answered.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from ownlm.errors import DependencyError, EngineError, ServerError
from ownlm.serve.config import ServeConfig
from ownlm.serve.engines.base import FinishReason, GenerationRequest, GenerationStep, OnStep, TokenScore, never
from ownlm.tokens.vocabulary.load import Vocabulary

MODEL = "ownlm"
POLL_S = 0.01
_MESSAGE_BYTES = 64 * 2**20
_END: Final = object()
_TYPES = {
    "input_ids": ("INT32", np.int32),
    "max_tokens": ("INT32", np.int32),
    "temperature": ("FP64", np.float64),
    "top_p": ("FP64", np.float64),
    "top_k": ("INT32", np.int32),
    "seed": ("INT64", np.int64),
    "choices": ("INT32", np.int32),
    "stop_ids": ("INT32", np.int32),
    "logprobs": ("INT32", np.int32),
    "score_only": ("BOOL", np.bool_),
}
_OUTPUTS = {"INT32": np.int32, "FP64": np.float64}


class TritonEngine:
    """A model of a Triton server.

    Args:
        folder: where the model's tokenizer.json is.
        config: the server's address, and what it calls the model ("ownlm").

    Raises:
        DependencyError: tritonclient is not installed.
        ArtifactError: the folder is damaged.
        ServerError: the server does not answer, or has no such model ready.
    """

    def __init__(self, folder: Path, config: ServeConfig) -> None:
        try:
            import grpc
            from tritonclient.grpc import service_pb2, service_pb2_grpc
        except ImportError as error:
            raise DependencyError(
                f"{error.name} is not installed, and Triton is spoken to with it",
                advice="install it: pip install 'ownlm[triton]'",
            ) from error
        self.url, secure = _address(config)
        self._grpc, self._messages = grpc, service_pb2
        self._model, self._timeout = config.engine_model or MODEL, config.engine_timeout_s
        self._vocabulary = Vocabulary.load(folder).size
        options = [("grpc.max_receive_message_length", _MESSAGE_BYTES), ("grpc.enable_http_proxy", 0)]
        self._channel = (
            grpc.secure_channel(self.url, grpc.ssl_channel_credentials(), options)
            if secure
            else grpc.insecure_channel(self.url, options)
        )
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        try:
            self._check()
        except ServerError:
            self.close()
            raise

    def generate(self, request: GenerationRequest, on_step: OnStep, cancelled: Callable[[], bool] = never) -> None:
        """See `Engine.generate`. All choices are one request."""
        asked: dict[str, Any] = {
            "input_ids": request.prompt,
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "top_k": request.top_k,
            "choices": request.choices,
            "stop_ids": sorted(request.stop_ids),
        }
        if request.seed is not None:
            asked["seed"] = (request.seed + 2**63) % 2**64 - 2**63
        if request.top_logprobs is not None:
            asked["logprobs"] = request.top_logprobs
        alive = set(range(request.choices))
        ended: set[int] = set()
        for made in self._stream(asked, cancelled, lambda: len(ended) == request.choices):
            choice, finish = int(made["choice"][0]), _finish(made)
            if finish is not None:
                ended.add(choice)
            if choice not in alive:
                continue
            score = None if request.top_logprobs is None else _score(made)
            if on_step(GenerationStep(choice, int(made["token"][0]), score, finish)) or finish is not None:
                alive.discard(choice)
                if not alive:
                    return
        if alive and not cancelled():
            raise EngineError("Triton ended its answer too early", where=self.url, advice="its log says why")

    def score(self, tokens: Sequence[int], top_logprobs: int) -> list[TokenScore]:
        """See `Engine.score`."""
        if len(tokens) < 2:
            return []
        asked = {"input_ids": tokens, "logprobs": top_logprobs, "score_only": True}
        return [_score(made) for made in self._stream(asked, never, never)]

    def close(self) -> None:
        """See `Engine.close`."""
        self._channel.close()

    def _stream(
        self, asked: dict[str, Any], cancelled: Callable[[], bool], ended: Callable[[], bool]
    ) -> Iterator[dict[str, Any]]:
        """The responses to one request, each as its tensors by name.

        Leaving the iteration cancels the call, unless `ended`: Triton (2.51) keeps a model's request for ever when the
        call is cancelled just as its last response is sent, and then cannot stop gracefully.
        """
        came: queue.SimpleQueue[Any] = queue.SimpleQueue()
        call = self._stub.ModelStreamInfer(iter([self._request(asked)]))
        threading.Thread(target=self._receive, args=(call, came.put), name="triton-stream", daemon=True).start()
        silent, refused = 0.0, False
        try:
            while not cancelled():
                try:
                    response = came.get(timeout=POLL_S)
                except queue.Empty:
                    silent += POLL_S
                    if silent > self._timeout:
                        raise EngineError(
                            "Triton does not answer in time", where=self.url, advice="see serve.engine_timeout_s"
                        ) from None
                    continue
                if response is _END:
                    return
                silent, refused = 0.0, not isinstance(response, Exception) and bool(response.error_message)
                yield self._tensors(response)
        finally:
            if not (refused or ended()):
                call.cancel()

    def _receive(self, call: Any, put: Callable[[Any], None]) -> None:
        try:
            for response in call:
                put(response)
            put(_END)
        except self._grpc.RpcError as error:
            put(error)

    def _request(self, asked: dict[str, Any]) -> Any:
        request = self._messages.ModelInferRequest(model_name=self._model)
        for name, value in asked.items():
            kind, number = _TYPES[name]
            array: NDArray[Any] = np.atleast_1d(np.asarray(value, dtype=number))
            request.inputs.add(name=name, datatype=kind, shape=array.shape)
            request.raw_input_contents.append(array.tobytes())
        return request

    def _tensors(self, response: Any) -> dict[str, Any]:
        if isinstance(response, self._grpc.RpcError):
            raise self._gone(response)
        if response.error_message:
            raise EngineError("Triton's model refuses the request", where=self.url, advice="Triton's log says why")
        outputs = zip(response.infer_response.outputs, response.infer_response.raw_output_contents, strict=True)
        return {output.name: _array(output.datatype, raw) for output, raw in outputs}

    def _gone(self, error: Any) -> EngineError:
        return EngineError(
            f"Triton is gone or refuses ({error.code().name})",
            where=self.url,
            advice="see whether it runs, and its log",
        )

    def _check(self) -> None:
        wanted = self._messages.ModelReadyRequest(name=self._model)
        try:
            ready = self._stub.ModelReady(wanted, timeout=self._timeout, wait_for_ready=False).ready
        except self._grpc.RpcError as error:
            gone = self._gone(error)
            raise ServerError(gone.what, where=gone.where, advice=gone.advice) from error
        if not ready:
            raise ServerError(
                f"Triton has no model {self._model!r} that is ready",
                where=self.url,
                advice="start it with --model-repository=EXPORT/triton/python, or set serve.engine_model",
            )
        metadata = self._stub.ModelMetadata(self._messages.ModelMetadataRequest(name=self._model))
        if not {"input_ids", "stop_ids"} <= {one.name for one in metadata.inputs}:
            raise ServerError(
                f"Triton's model {self._model!r} takes no token ids",
                where=self.url,
                advice="serve the repository triton/python; the vLLM backend's model takes text only",
            )


def _address(config: ServeConfig) -> tuple[str, bool]:
    """host:port, and whether by TLS."""
    parts = urlsplit(config.engine_url if "://" in config.engine_url else f"grpc://{config.engine_url}")
    try:
        good = parts.scheme in ("grpc", "grpcs") and bool(parts.hostname) and parts.port and "@" not in parts.netloc
    except ValueError:
        good = False
    if not good:
        raise ServerError(
            "the engine triton is a server, and its address is missing or none",
            where="serve.engine_url",
            advice="set serve.engine_url to its gRPC port, e.g. grpc://127.0.0.1:8001 (grpcs:// with TLS)",
        )
    return parts.netloc, parts.scheme == "grpcs"


def _array(kind: str, raw: bytes) -> NDArray[Any] | list[bytes]:
    """Numbers, or the one text of a BYTES tensor (its length in four bytes, then itself)."""
    return [raw[4:]] if kind == "BYTES" else np.frombuffer(raw, dtype=_OUTPUTS[kind])


def _finish(made: dict[str, Any]) -> FinishReason | None:
    reason = made["finish_reason"][0]
    return "stop" if reason == b"stop" else "length" if reason == b"length" else None


def _score(made: dict[str, Any]) -> TokenScore:
    top = zip(made["top_ids"].tolist(), made["top_logprobs"].tolist(), strict=True)
    return TokenScore(float(made["logprob"][0]), tuple(top))
