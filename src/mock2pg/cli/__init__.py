"""The command line: one command per verb; reads options, calls the service, prints, exits with the error's code."""

# They add their commands, in this order.
from mock2pg.cli import auditing, developing, going_back, init, looking, migrating, runs, server
from mock2pg.cli.root import command

__all__ = ["auditing", "command", "developing", "going_back", "init", "looking", "migrating", "runs", "server"]
