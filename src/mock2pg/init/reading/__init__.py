"""Reads every value of a document, in two passes: its shape, then its values."""
