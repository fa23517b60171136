"""Writes the project: its files, the review, and the diff of an update."""
