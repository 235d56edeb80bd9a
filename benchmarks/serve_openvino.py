"""openvino-genai as a contender of `benchmarks/serve.py`, in its own virtual environment.

    VENV/bin/python benchmarks/serve_openvino.py model.gguf THREADS

A line in, `{"prompt": [ids], "tokens": n}`; a line out, the seconds from the call to each token.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
import openvino as ov
import openvino_genai as genai


class Clock(genai.StreamerBase):  # type: ignore[misc]
    """Notes when tokens come."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []
        self.start = time.perf_counter()

    def write(self, token: Any) -> Any:
        """A token, or several."""
        now = time.perf_counter() - self.start
        self.times += [now] * (len(token) if isinstance(token, list) else 1)
        return genai.StreamingStatus.RUNNING

    def end(self) -> None:
        """Nothing is left to do."""


def main() -> None:
    """Answer until there are no more lines."""
    pipeline = genai.LLMPipeline(sys.argv[1], "CPU", INFERENCE_NUM_THREADS=int(sys.argv[2]))
    print(json.dumps([]), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        config = genai.GenerationConfig(max_new_tokens=asked["tokens"], do_sample=False, ignore_eos=True)
        clock = Clock()
        pipeline.generate(ov.Tensor(np.array([asked["prompt"]], dtype=np.int64)), config, clock)
        print(json.dumps(clock.times), flush=True)


if __name__ == "__main__":
    main()
