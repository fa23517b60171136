"""The positions of a schema's sequences, which are no part of its definitions: read, and set again."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import sql

from mock2pg.postgres import distribution
from mock2pg.postgres.connection import Connection, one_row


def positions(connection: Connection, schema: str) -> dict[str, dict[str, Any]]:
    """Return the position of every sequence, except those of extensions. Sequences are not transactional."""
    names = connection.execute(
        "SELECT relname FROM pg_class AS c WHERE relkind = 'S' AND relnamespace ="
        " (SELECT oid FROM pg_namespace WHERE nspname = %s) AND NOT EXISTS (SELECT FROM pg_depend AS d"
        " WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"
        ' ORDER BY relname COLLATE "C"',
        [schema],
    ).fetchall()
    found = {}
    for (name,) in names:
        query = sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(schema, name))
        last_value, is_called = one_row(connection, query)
        found[name] = {"last_value": last_value, "is_called": is_called}
    return found


def restart(connection: Connection, schema: str, wanted: Mapping[str, Mapping[str, Any]]) -> None:
    """Set the sequences. A rollback undoes setval, too, once ALTER SEQUENCE has given the sequence a new file.

    Who does not own a sequence may only set it; one with the right position is not touched. Nor does Citus give a new
    file to a sequence of a distributed table.
    """
    present = positions(connection, schema)
    for name, position in wanted.items():
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
