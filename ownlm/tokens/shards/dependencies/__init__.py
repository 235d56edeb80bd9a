"""Which files of a repository a file imports: one file a family of languages, and the order that follows from it."""
