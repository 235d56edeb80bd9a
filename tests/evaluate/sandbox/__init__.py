"""Of the sandbox."""
