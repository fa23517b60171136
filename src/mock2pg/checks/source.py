"""A Great Expectations data source on an engine of ours, so that no URL and no credential ever enters it."""

from __future__ import annotations

import types
from typing import Any, ClassVar, Literal

import sqlalchemy as sa
from great_expectations.datasource.fluent.sql_datasource import SQLDatasource
from great_expectations.execution_engine import SqlAlchemyExecutionEngine

# The module in which GX looks up SQL types. It chooses the SQL of a regular expression by what else it finds there:
# beside a `DremioDialect` it writes REGEXP_MATCHES(column, pattern), which is also DuckDB's.
_DUCKDB_TYPES = types.SimpleNamespace(
    DremioDialect=True, **{name: getattr(sa, name) for name in dir(sa) if name.isupper()}
)


class _ExecutionEngine(SqlAlchemyExecutionEngine):  # type: ignore[misc]
    def __init__(self, engine: sa.Engine) -> None:
        super().__init__(engine=engine, create_temp_table=False)
        if engine.dialect.name == "duckdb":
            self.dialect_module = _DUCKDB_TYPES


class GivenEngineDatasource(SQLDatasource):  # type: ignore[misc]
    """`context.data_sources.add_given_engine(name=...)`: the engine that `engines` holds under that name."""

    engines: ClassVar[dict[str, sa.Engine]] = {}

    type: Literal["given_engine"] = "given_engine"
    connection_string: str = "given://"

    @property
    def execution_engine_type(self) -> Any:
        return _ExecutionEngine

    def get_engine(self) -> sa.Engine:
        return self.engines[self.name]

    def get_execution_engine(self) -> Any:
        if self._execution_engine is None:  # type: ignore[has-type]
            self._execution_engine = _ExecutionEngine(self.get_engine())
        return self._execution_engine
