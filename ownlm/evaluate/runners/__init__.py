"""A language is one file: how a program of it is laid out, compiled and run."""
