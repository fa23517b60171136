"""The rows that a target table would hold after publishing, in a scratch table beside the built ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import sql

from mock2pg.publishing.comparison import key_text
from mock2pg.publishing.table_merge import TableMerge
from mock2pg.text import identity

_NAME = "mock2pg_merged_rows"
_SHOWN = 5  # keys of rows that break a constraint


@contextmanager
def merged_rows(merge: TableMerge) -> Iterator[sql.Identifier]:
    """Fill a scratch table without constraints with the rows that the target table would hold."""
    home, connection = sql.Identifier(merge.built_schema, _NAME), merge.connection
    connection.execute(
        sql.SQL("CREATE UNLOGGED TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING GENERATED)").format(home, merge.home)
    )
    for column in merge.there.values():
        name = sql.Identifier(column.name)
        if column.not_null:
            connection.execute(sql.SQL("ALTER TABLE {} ALTER {} DROP NOT NULL").format(home, name))
    for drawing in drawn(merge):  # which a look must not advance
        connection.execute(sql.SQL("ALTER TABLE {} ALTER {} DROP DEFAULT").format(home, sql.Identifier(drawing)))
    stored = [column.name for column in merge.there.values() if not column.generated]
    ensures = merge.table.publish == "ensure"
    written = [] if ensures else merge.inserted
    values = [merge.cast(name) if name in written else _target_value(name) for name in stored]
    names = {
        "merged_rows": home,
        "stored": sql.SQL(", ").join(map(sql.Identifier, stored)),
        "kept": sql.SQL(", ").join(map(_target_value, stored)),
        "merged": sql.SQL(", ").join(values),
    }
    into = "INSERT INTO {merged_rows} ({stored}) SELECT "
    for query in (
        into + "{merged} FROM {target} AS l JOIN {built} AS b ON {keys}",
        "INSERT INTO {merged_rows} ({columns}) SELECT {values} FROM {built} AS b WHERE NOT EXISTS ({same})",
        *([into + "{kept} FROM {target} AS l WHERE {gone}"] if merge.keeps else []),
    ):
        merge.code.run(merge.compose(query, **names))  # a generated column may call a function
    try:
        yield home
    finally:
        connection.execute(sql.SQL("DROP TABLE {}").format(home))


def drawn(merge: TableMerge) -> list[str]:
    """Return the columns whose default may draw from a sequence: in these rows a new one has none."""
    return [column.name for column in merge.there.values() if column.draws and column.has_default]


def _target_value(name: str) -> sql.Composed:
    return sql.SQL("l.{}").format(sql.Identifier(name))


def keys_of(merge: TableMerge, rows: sql.Composed) -> str:
    """Return the first keys of `rows`, a FROM clause whose alias `c` is the merged rows, for a message."""
    key = key_text("c", merge.table.primary_key)
    query = sql.SQL("SELECT {}{} ORDER BY 1 LIMIT {}").format(key, rows, sql.Literal(_SHOWN + 1))
    found = [identity(text) for text in merge.code.texts(query)]
    return ", ".join(found[:_SHOWN]) + (" ..." if len(found) > _SHOWN else "")
