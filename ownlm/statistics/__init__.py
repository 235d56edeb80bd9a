"""How sure a figure is: 95 % intervals that more than one stage gives. Pure functions, no files."""
