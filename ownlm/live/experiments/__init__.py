"""Experiments on models in use: who is in which arm, what came of it, and how sure that is at any time one looks."""
