"""The statements that a server was sent, by session and in order, read from its log."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from psycopg import sql

from mock2pg import postgres
from mock2pg.postgres.server import Server

_HEAD = re.compile(r"\S+ \S+ \S+ \[(?P<pid>\d+)\] (?P<name>[^|]*)\|(?P<kind>LOG|\w+):  (?P<text>.*)")
_STATEMENT = re.compile(r"(?s)(?:statement|execute [^:]*): (.*)")


@dataclass(frozen=True)
class Statement:
    """One string of SQL. `session` is the application_name, which says what the session is for."""

    pid: int
    session: str
    text: str


@dataclass
class Recorded:
    statements: list[Statement] = field(default_factory=list)


@contextmanager
def recorded(server: Server, url: str) -> Iterator[Recorded]:
    """Record what is sent to the database by sessions that begin in the meantime."""
    found = Recorded()
    log = max(Path(server.home).glob("data*/server.log"), key=lambda file: file.stat().st_mtime)
    with postgres.connect(url, name="test") as connection:
        database = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET log_statement = 'all'").format(database))
        connection.execute("ALTER SYSTEM SET log_line_prefix = '%m [%p] %a|'")
        connection.execute("SELECT pg_reload_conf()")
        begun = log.stat().st_size
        _until_said(connection, log, "recording begins")
        try:
            yield found
        finally:
            _until_said(connection, log, "recording ends")
            connection.execute(sql.SQL("ALTER DATABASE {} RESET log_statement").format(database))
            connection.execute("ALTER SYSTEM RESET log_line_prefix")
            connection.execute("SELECT pg_reload_conf()")
    with log.open(encoding="utf-8") as lines:
        lines.seek(begun)
        found.statements = list(_statements(lines))


def _until_said(connection: postgres.Connection, log: Path, word: str) -> None:
    """Wait until the log has what this session logs: then it has all that came before, in the new form."""
    query = sql.SQL("DO {}").format(sql.Literal(f"BEGIN RAISE LOG '{word}'; END"))
    deadline = time.monotonic() + 60
    while f"mock2pg test|LOG:  {word}" not in log.read_text(encoding="utf-8", errors="replace"):
        connection.execute(query)
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _statements(lines: Iterator[str]) -> Iterator[Statement]:
    entry: tuple[int, str, list[str]] | None = None
    for line in lines:
        if line.startswith("\t"):
            if entry:
                entry[2].append(line[1:].rstrip("\n"))
            continue
        if entry:
            yield from _statement(*entry)
        head = _HEAD.match(line)
        entry = (int(head["pid"]), head["name"], [head["text"]]) if head and head["kind"] == "LOG" else None
    if entry:
        yield from _statement(*entry)


def _statement(pid: int, name: str, lines: list[str]) -> Iterator[Statement]:
    if found := _STATEMENT.fullmatch("\n".join(lines)):
        yield Statement(pid, name, found[1])
