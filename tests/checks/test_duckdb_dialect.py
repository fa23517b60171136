"""SQLAlchemy's statements for DuckDB."""

from __future__ import annotations

from pathlib import Path

import duckdb
import sqlalchemy as sa

from mock2pg.checks.duckdb_dialect import engine


def test_a_column_may_have_any_word_of_duckdb_for_a_name(tmp_path: Path) -> None:
    """Rules can be judged of columns called `at` or `qualify`, which PostgreSQL does not reserve and DuckDB does."""
    file = tmp_path / "staged.duckdb"
    with duckdb.connect(str(file)) as made:
        words = [word for (word,) in made.execute("SELECT DISTINCT keyword_name FROM duckdb_keywords()").fetchall()]
        columns = [f'1 AS "{word}"' for word in words]
        made.execute(f"CREATE TABLE t AS SELECT {', '.join(columns)}")
    assert "at" in words
    reading = engine(file, "1GiB")
    with reading.connect() as connection:
        for word in words:
            column: sa.ColumnClause[int] = sa.column(word)
            inner = sa.select(column).select_from(sa.table("t")).subquery()
            assert connection.execute(sa.select(inner.c[word]).where(inner.c[word] == 1)).scalar_one() == 1
    reading.dispose()
