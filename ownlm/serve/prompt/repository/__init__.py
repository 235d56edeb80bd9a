"""Declarations of the repositories people work in, found where a completion may need them."""
