"""Definitions as pg_dump wrote them, executed, and the positions of sequences, which are no part of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import sql

from mock2pg.backups import dump
from mock2pg.postgres import distribution, scripts
from mock2pg.postgres.connection import Connection
from mock2pg.postgres.owners_code import OwnersCode


def define(connection: Connection, script: str, code: OwnersCode) -> None:
    """Execute what pg_dump wrote; the timeouts of the session stay as they are, which it would take away.

    It is written for an empty path. Where a function in it, of an index say, finds nothing on that one, it is executed
    under the path of the owner's code.
    """
    head, first, rest = script.partition("-- Name: ")
    head = re.sub(r"(?m)^(SET \w+_timeout = 0|SELECT pg_catalog\.set_config\('search_path', .*\));\n", "", head)
    script = head + first + rest
    parts = list(scripts.statements(script)) if distribution.is_citus(connection) else [script]
    try:
        with connection.transaction():
            for part in parts:
                connection.execute(part)
    except psycopg.ProgrammingError as error:
        try:
            with connection.transaction(), code.path():
                for part in parts:
                    connection.execute(part)
        except psycopg.ProgrammingError:
            raise error from None


def restart(connection: Connection, schema: str, positions: Mapping[str, Mapping[str, Any]]) -> None:
    """Set the sequences. A rollback undoes setval, too, once ALTER SEQUENCE has given the sequence a new file.

    Who does not own a sequence may only set it; one with the right position is not touched. Nor does Citus give a new
    file to a sequence of a distributed table.
    """
    present = dump.sequences(connection, schema)
    for name, position in positions.items():
        if present.get(name) == position:
            continue
        sequence, last = sql.Identifier(schema, name), position["last_value"]
        owned = connection.execute(
            "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = %s::text::regclass", [sequence.as_string()]
        ).fetchone()
        if owned != (False,):
            alter = sql.SQL("ALTER SEQUENCE {} RESTART WITH {}").format(sequence, sql.Literal(last))
            if distribution.is_citus(connection):
                with suppress(psycopg.InternalError), connection.transaction():
                    connection.execute(alter)
            else:
                connection.execute(alter)
        connection.execute(
            "SELECT setval(%s::text::regclass, %s, %s)", [sequence.as_string(), last, position["is_called"]]
        )
