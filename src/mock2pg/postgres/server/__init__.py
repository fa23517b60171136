"""The embedded PostgreSQL, and the programs that come with it."""

from mock2pg.postgres.server.embedded import Server, ServerStatus
from mock2pg.postgres.server.programs import binary

__all__ = ["Server", "ServerStatus", "binary"]
