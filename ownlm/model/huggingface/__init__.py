"""Conversion to and from a Hugging Face folder, with exactly equal logits.

    config.json  generation_config.json  model.safetensors  tokenizer.json  tokenizer_config.json

The JSON files are written here, not by transformers, so that their bytes do not change with its version; the tests
load the folder with transformers and compare logits, both ways, for every family.
"""

from ownlm.model.huggingface.folder import load_huggingface, save_huggingface

__all__ = ["load_huggingface", "save_huggingface"]
