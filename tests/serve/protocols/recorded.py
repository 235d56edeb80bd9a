"""Requests as editors' plugins build them, field by field, read from their published sources."""

from __future__ import annotations

from typing import Any

BEFORE = ["import math", "", "def area(radius):"]
LINE, COLUMN = "    return math.pi", 18
AFTER = ["", "def volume(radius):", "    return 4 / 3 * math.pi * radius**3"]
EXTRA = {"text": "def perimeter(radius):\n    return 2 * math.pi * radius\n", "filename": "shapes.py"}

RESPONSE_FIELDS = [
    "content",
    "timings/prompt_n",
    "timings/prompt_ms",
    "timings/prompt_per_token_ms",
    "timings/prompt_per_second",
    "timings/predicted_n",
    "timings/predicted_ms",
    "timings/predicted_per_token_ms",
    "timings/predicted_per_second",
    "truncated",
    "tokens_cached",
]


def llama_vim(model: str | None = None, **more: Any) -> dict[str, Any]:
    """`llama#fim` of ggml-org/llama.vim, autoload/llama.vim at commit ae3cb006, with its default configuration."""
    prefix, middle, suffix = _around_the_cursor()
    named = {} if model is None else {"model": model}
    return {
        "input_prefix": prefix,
        "input_suffix": suffix,
        "input_extra": [{**EXTRA, "time": [1700000000, 123]}],
        "prompt": middle,
        "n_predict": 128,
        "stop": [],
        "n_indent": 4,
        "top_k": 40,
        "top_p": 0.90,
        "stream": False,
        "samplers": ["top_k", "top_p", "infill"],
        "cache_prompt": True,
        "t_max_prompt_ms": 60_000,  # 500 by default; a test must not depend on the machine's load
        "t_max_predict_ms": 60_000,  # 250 for the first request
        "response_fields": RESPONSE_FIELDS,
        **named,
        **more,
    }


def llama_vim_warm_up() -> dict[str, Any]:
    """`s:ring_update` of the same file at commit 4926cf38: code that may soon be asked about, nothing to say."""
    return {
        "id_slot": 0,
        "input_prefix": "",
        "input_suffix": "",
        "input_extra": [{**EXTRA, "time": [1700000000, 123]}],
        "prompt": "",
        "n_predict": 0,
        "temperature": 0.0,
        "stream": False,
        "samplers": [],
        "cache_prompt": True,
        "t_max_prompt_ms": 1,
        "t_max_predict_ms": 1,
        "response_fields": [""],
        "model": "",
    }


def llama_vscode() -> dict[str, Any]:
    """`createRequestPayload(false, ...)` of ggml-org/llama.vscode, src/llama-server.ts at commit 009e5b72."""
    prefix, middle, suffix = _around_the_cursor()
    return {
        "input_prefix": prefix,
        "input_suffix": suffix,
        "input_extra": [{**EXTRA, "time": 1700000000123}],
        "prompt": middle,
        "n_predict": 128,
        "top_k": 40,
        "top_p": 0.99,
        "stream": False,
        "samplers": ["top_k", "top_p", "infill"],
        "cache_prompt": True,
        "n_indent": 4,
        "t_max_prompt_ms": 60_000,
        "t_max_predict_ms": 60_000,
        "lora": [{"id": 0, "scale": 0.5}],
    }


def llama_vscode_warm_up() -> dict[str, Any]:
    """`createRequestPayload(true, "", "", chunks, "")` of the same file, as `updateExtraContext` sends it."""
    return {
        "input_prefix": "",
        "input_suffix": "",
        "input_extra": [{**EXTRA, "time": 1700000000123}],
        "prompt": "",
        "n_predict": 0,
        "samplers": [],
        "cache_prompt": True,
        "t_max_prompt_ms": 500,
        "t_max_predict_ms": 1,
    }


def llm_ls() -> dict[str, Any]:
    """`build_body` of huggingface/llm-ls, crates/llm-ls/src/backend.rs at commit 0e95bb35, backend TGI.

    The prompt is `build_prompt`'s (main.rs): the plugin's own markers around the text, here set to the model's.
    """
    prefix, middle, suffix = _around_the_cursor()
    return {
        "inputs": f"<|fim_prefix|>{prefix}{middle}<|fim_suffix|>{suffix}<|fim_middle|>",
        "parameters": {"max_new_tokens": 60, "temperature": 0.2, "top_p": 0.95, "return_full_text": False},
    }


def llm_ls_before_0_5() -> dict[str, Any]:
    """`build_tgi_body` of the same project, crates/llm-ls/src/adaptors.rs at commit 1499fd6c."""
    return {
        "inputs": llm_ls()["inputs"],
        "parameters": {
            "max_new_tokens": 60,
            "temperature": 0.2,
            "do_sample": True,
            "top_p": 0.95,
            "stop_tokens": ["<|endoftext|>"],
        },
    }


def continue_fim() -> dict[str, Any]:
    """`_streamFim` of continuedev/continue, core/llm/llms/OpenAI.ts, provider `mistral`.

    The stop strings are `getStopTokens` and the default template of core/autocomplete/templating.
    """
    prefix, middle, suffix = _around_the_cursor()
    return {
        "model": "tiny",
        "prompt": prefix + middle,
        "suffix": suffix,
        "max_tokens": 4096,
        "temperature": 0.01,
        "stop": [
            *(
                "<fim_prefix>",
                "<fim_suffix>",
                "<fim_middle>",
                "<file_sep>",
                "<|endoftext|>",
                "</fim_middle>",
                "</code>",
            ),
            *("/src/", "#- coding: utf-8", "```"),
        ],
        "stream": True,
    }


def tabby(**segments: Any) -> dict[str, Any]:
    """All fields `components["schemas"]["CompletionRequest"]` of tabby-agent 1.5.0, dist/index.d.ts, can have."""
    prefix, middle, suffix = _around_the_cursor()
    return {
        "language": "python",
        "segments": {
            "prefix": prefix + middle,
            "suffix": suffix,
            "filepath": "geometry/area.py",
            "git_url": "https://git.example/geometry",
            "declarations": [{"filepath": "file:///usr/lib/math.py", "body": "pi: float"}],
            "relevant_snippets_from_changed_files": [{"filepath": "shapes.py", "body": EXTRA["text"], "score": 1.5}],
            "clipboard": "radius**2",
            **segments,
        },
        "user": "ada",
        "debug_options": {"return_prompt": True, "disable_retrieval_augmented_code_completion": False},
        "temperature": None,
        "seed": 7,
    }


def _around_the_cursor() -> tuple[str, str, str]:
    """Lines before the cursor's, its line up to it, and the rest, as llama.vim's `s:fim_ctx_local` cuts them."""
    return "\n".join(BEFORE) + "\n", LINE[:COLUMN], LINE[COLUMN:] + "\n" + "\n".join(AFTER) + "\n"
