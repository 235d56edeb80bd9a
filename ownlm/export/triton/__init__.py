"""Model repositories for Triton Inference Server: its Python backend, and its vLLM backend."""
