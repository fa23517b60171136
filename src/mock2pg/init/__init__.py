"""A project from a document: what its values show, and the files that declare it."""
