"""Held-out company code: hidden lines, blocks and function bodies, and what a repository's own tests say of them."""
