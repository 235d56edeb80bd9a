"""Scores, and which of two is better. Pure functions, no files; one thing a file."""
