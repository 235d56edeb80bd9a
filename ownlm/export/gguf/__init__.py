"""GGUF: the one file llama.cpp and everything built on it load, tokenizer included."""
