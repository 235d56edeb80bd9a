"""Benchmarks: problems, and the programs that judge answers to them."""
