"""The command line: one command per verb; reads options, calls the service, prints, exits with the error's code."""

from mock2pg.cli import backups, init, lab, server  # add their commands
from mock2pg.cli.commands import command

__all__ = ["backups", "command", "init", "lab", "server"]
