"""The pipeline: every command is a list of named steps, run in order."""
