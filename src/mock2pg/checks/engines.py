"""The SQLAlchemy engine of a URL; it only reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mock2pg.errors import DatabaseError, InternalError
from mock2pg.foreign_errors import scrubbed

if TYPE_CHECKING:
    import psycopg
    import sqlalchemy as sa


def duckdb_url(file: Path) -> str:
    """The URL under which `validate` opens a DuckDB file, read-only."""
    return file.resolve().as_uri().replace("file:", "duckdb:", 1)


def open_engine(url: str, schema: str | None, lock_timeout: str, memory: str) -> sa.Engine:
    """An engine that has connected once.

    A `postgresql://` URL is libpq's own, sockets and all; `schema` is where its tables are looked up.
    Raises DatabaseError when PostgreSQL, InternalError when DuckDB cannot be reached.
    """
    import sqlalchemy as sa

    duckdb = url.startswith("duckdb:")
    engine = (
        _duckdb(url, memory)
        if duckdb
        else sa.create_engine("postgresql+psycopg://", creator=lambda: _connect(url, schema, lock_timeout))
    )
    try:
        engine.connect().close()
    except Exception as error:
        engine.dispose()
        if duckdb:
            refuse_shortage(engine)
            raise InternalError("the staged data cannot be opened") from None  # its text quotes paths
        raise DatabaseError(f"cannot connect: {scrubbed(str(error))}") from None
    return engine


def refuse_shortage(engine: sa.Engine) -> None:
    """Raise StagingFailed when DuckDB had not enough memory or disk space: it made Great Expectations' rule fail."""
    for shortage in getattr(engine.dialect, "shortages", ()):
        raise shortage


def _duckdb(url: str, memory: str) -> sa.Engine:
    from mock2pg.checks import duckdb_dialect

    return duckdb_dialect.engine(Path(unquote(urlsplit(url).path)), memory)


def _connect(url: str, schema: str | None, lock_timeout: str) -> psycopg.Connection:
    import psycopg

    connection = psycopg.connect(url)
    connection.execute("SET search_path TO pg_catalog, pg_temp")  # before anything is looked up in it
    connection.execute("SELECT set_config('lock_timeout', %s, false)", [lock_timeout])
    if schema is not None:
        _show(connection, schema)
    connection.commit()
    connection.read_only = True
    return connection


def _show(connection: psycopg.Connection, schema: str) -> None:
    """Let rules name the schema's tables alone, by temporary views: on the search path, whoever may create an operator
    or a function in that schema could have a rule run it.
    """
    from psycopg.sql import SQL, Identifier

    found = connection.execute(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v')"
        " AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)",
        [schema],
    ).fetchall()
    for (name,) in found:
        view, table = Identifier("pg_temp", name), Identifier(schema, name)
        connection.execute(SQL("CREATE TEMPORARY VIEW {} AS SELECT * FROM {}").format(view, table))
