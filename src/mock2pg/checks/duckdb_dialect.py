"""DuckDB for SQLAlchemy, as much of it as Great Expectations needs to read tables.

Great Expectations fetches a result after it has given its connection back to the pool, whose rollback empties
the result of a driver that has one cursor per connection. Here each statement has a cursor of its own and
rollback does nothing: the file is opened read-only, there is nothing to roll back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy as sa
from sqlalchemy import pool
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.base import PGDialect, PGIdentifierPreparer

from mock2pg import duckdb_queries, staging_limits
from mock2pg.errors import StagingFailed

Noted = Callable[[], AbstractContextManager[None]]


def engine(file: Path, memory: str) -> sa.Engine:
    """An engine on one read-only connection to a DuckDB file; its dialect keeps what DuckDB had not enough of."""
    shortages = list[StagingFailed]()
    made = sa.create_engine("duckdb+mock2pg://", creator=lambda: _Connection(file, memory, shortages))
    made.dialect.shortages = shortages
    return made


class _Cursor:
    arraysize = 1
    rowcount = -1
    description: Any = None

    def __init__(self, cursor: duckdb.DuckDBPyConnection, noted: Noted) -> None:
        self._cursor, self._noted = cursor, noted

    def execute(self, statement: str, parameters: Sequence[Any] | None = None) -> None:
        with self._noted():
            duckdb_queries.execute(self._cursor, statement, list(parameters or ()))
        self.description = self._cursor.description

    def fetchone(self) -> Any:
        with self._noted():
            return self._cursor.fetchone()

    def fetchmany(self, size: int | None = None) -> list[Any]:
        with self._noted():
            return self._cursor.fetchmany(size or self.arraysize)

    def fetchall(self) -> list[Any]:
        with self._noted():
            return self._cursor.fetchall()

    def close(self) -> None:
        self._cursor.close()


class _Connection:
    def __init__(self, file: Path, memory: str, shortages: list[StagingFailed]) -> None:
        self._memory, self._shortages = memory, shortages
        with self._noted():
            config = staging_limits.config(memory, threads=staging_limits.threads(file))
            self._connection = duckdb.connect(str(file), read_only=True, config=config)

    def cursor(self) -> _Cursor:
        return _Cursor(self._connection.cursor(), self._noted)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            if isinstance(found := staging_limits.named(error, self._memory), StagingFailed):
                self._shortages.append(found)
            raise

    def commit(self) -> None:
        pass

    def rollback(self) -> None:
        pass

    def close(self) -> None:
        self._connection.close()


class _Driver:
    """The part of PEP 249's module that SQLAlchemy looks at."""

    paramstyle = "qmark"
    Error = InterfaceError = duckdb.Error
    DatabaseError = duckdb.DatabaseError
    DataError = duckdb.DataError
    IntegrityError = duckdb.IntegrityError
    InternalError = duckdb.InternalError
    NotSupportedError = duckdb.NotSupportedError
    OperationalError = duckdb.OperationalError
    ProgrammingError = duckdb.ProgrammingError


class _Names(PGIdentifierPreparer):  # type: ignore[misc]
    """Quotes every name: DuckDB has reserved words that PostgreSQL does not know."""

    def _requires_quotes(self, value: str) -> bool:
        return True


class DuckDBDialect(PGDialect):  # type: ignore[misc]
    """PostgreSQL's SQL, DuckDB's catalogue."""

    preparer = _Names

    name = "duckdb"
    driver = "mock2pg"
    supports_statement_cache = True
    colspecs: dict[Any, Any] = {}  # noqa: RUF012  SQLAlchemy's own attribute

    @classmethod
    def import_dbapi(cls) -> Any:
        return _Driver

    @classmethod
    def get_pool_class(cls, url: sa.URL) -> Any:
        return pool.StaticPool

    def initialize(self, connection: sa.Connection) -> None:
        self.default_schema_name = "main"
        self.server_version_info = (16, 0)  # the version whose SQL is written

    def on_connect(self) -> Callable[[Any], Any] | None:
        return None

    def has_table(self, connection: sa.Connection, table_name: str, *args: Any, **kwargs: Any) -> bool:
        return table_name in self.get_table_names(connection)

    def get_schema_names(self, connection: sa.Connection, **kwargs: Any) -> list[str]:
        return ["main"]

    def get_table_names(self, connection: sa.Connection, schema: str | None = None, **kwargs: Any) -> list[str]:
        query = sa.text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'main'")
        return list(connection.execute(query).scalars())

    def get_view_names(self, connection: sa.Connection, schema: str | None = None, **kwargs: Any) -> list[str]:
        return []  # views are among the tables

    def get_columns(
        self, connection: sa.Connection, table_name: str, schema: str | None = None, **kwargs: Any
    ) -> list[Any]:
        query = sa.text("SELECT name, type FROM pragma_table_info(:table)")  # a tenth of information_schema's time
        return [
            {"name": name, "type": getattr(sa, str(kind), sa.types.NullType)(), "nullable": True, "default": None}
            for name, kind in connection.execute(query, {"table": '"' + str(table_name).replace('"', '""') + '"'})
        ]

    def get_pk_constraint(
        self, connection: sa.Connection, table_name: str, schema: str | None = None, **kwargs: Any
    ) -> Any:
        return {"constrained_columns": [], "name": None}


registry.register("duckdb.mock2pg", __name__, "DuckDBDialect")
