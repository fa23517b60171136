"""Where a URL leads: a SQLAlchemy engine that only reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mock2pg.errors import DatabaseError, InternalError, scrubbed

if TYPE_CHECKING:
    import psycopg
    import sqlalchemy as sa


def duckdb_url(file: Path) -> str:
    """The URL under which `validate` opens a DuckDB file, read-only."""
    return file.resolve().as_uri().replace("file:", "duckdb:", 1)


def open_engine(url: str, schema: str | None, lock_timeout: str) -> sa.Engine:
    """An engine that has connected once.

    A `postgresql://` URL is libpq's own, sockets and all; `schema` is where its tables are looked up.
    Raises DatabaseError when PostgreSQL, InternalError when DuckDB cannot be reached.
    """
    import sqlalchemy as sa

    duckdb = url.startswith("duckdb:")
    engine = (
        _duckdb(url)
        if duckdb
        else sa.create_engine("postgresql+psycopg://", creator=lambda: _connect(url, schema, lock_timeout))
    )
    try:
        engine.connect().close()
    except Exception as error:
        engine.dispose()
        if duckdb:
            raise InternalError("the staged data cannot be opened") from None  # its text quotes paths
        raise DatabaseError(f"cannot connect: {scrubbed(str(error))}") from None
    return engine


def _duckdb(url: str) -> sa.Engine:
    from mock2pg.tools.expectations import duckdb_dialect

    return duckdb_dialect.engine(Path(unquote(urlsplit(url).path)))


def _connect(url: str, schema: str | None, lock_timeout: str) -> psycopg.Connection:
    import psycopg
    from psycopg.sql import SQL, Identifier

    connection = psycopg.connect(url)
    connection.read_only = True
    connection.execute("SELECT set_config('lock_timeout', %s, false)", [lock_timeout])
    connection.commit()
    if schema is not None:
        connection.execute(SQL("SET search_path TO {}").format(Identifier(schema)))
        connection.commit()
    return connection
