"""Makes mock data of any size from recipes in SQL, which DuckDB runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from mock2pg.errors import InternalError, UsageError

SMALLEST = 50
CHUNK = 10_000  # rows held in memory at once


def generate(recipes: Path, out: Path, *, rows: int, seed: int) -> dict[str, int]:
    """Write one JSON array per recipe into the empty or absent folder `out`; entity to rows of its array.

    `<entity>.sql` is one SELECT whose columns are the JSON keys. Files that begin with `_` run before, in the
    order of their names; they define the macro `sparse(object, n)`, which turns a row into JSON.
    `rows` and `seed` reach the recipes as variables: it is the recipes that decide on the number of rows.
    The same recipes, rows and seed give the same bytes.
    Raises UsageError for too few rows, an unfit folder or no mimesis, InternalError for a recipe that does not run.
    """
    if rows < SMALLEST:
        raise UsageError(f"a sample of {rows} rows is too small: {SMALLEST} is the least")
    entities = sorted(path for path in recipes.glob("*.sql") if not path.name.startswith("_"))
    if not entities:
        raise UsageError(
            f"there are no recipes in {recipes}",
            hint="Write a recipe, <entity>.sql: one SELECT for DuckDB, whose columns are the JSON keys.",
        )
    try:
        return _write(recipes, entities, out, rows, seed)
    except OSError as error:
        raise UsageError(f"cannot write a sample into {out}: {error.strerror}") from error


def _write(recipes: Path, entities: list[Path], out: Path, rows: int, seed: int) -> dict[str, int]:
    existed = out.exists()
    if existed and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            f"{out} already exists and is not an empty folder",
            hint="Name another folder, or empty this one.",
        )
    out.mkdir(parents=True, exist_ok=True)
    parts = {recipe.stem: out / f".{recipe.stem}.json.part" for recipe in entities}
    try:
        with duckdb.connect(config={"threads": 1}) as database:  # one thread: rows keep their order
            database.execute("SET enable_progress_bar = false")
            _prepare(database, recipes, rows, seed)
            counts = {recipe.stem: _stream(database, recipe, parts[recipe.stem]) for recipe in entities}
        for entity, part in parts.items():
            part.rename(out / f"{entity}.json")
    except BaseException:
        for entity, part in parts.items():
            part.unlink(missing_ok=True)
            (out / f"{entity}.json").unlink(missing_ok=True)
        if not existed:
            out.rmdir()
        raise
    return counts


def _prepare(database: duckdb.DuckDBPyConnection, recipes: Path, rows: int, seed: int) -> None:
    """Create what the recipes use: the variables, the people and whatever the `_` files define."""
    database.execute("SET VARIABLE rows = ?::BIGINT", [rows])
    database.execute("SET VARIABLE seed = ?", [str(seed)])
    database.execute("CREATE TABLE people AS SELECT unnest(?, recursive := true)", [_people(seed)])
    for recipe in sorted(recipes.glob("_*.sql")):
        with _named(recipe):
            database.execute(recipe.read_text(encoding="utf-8"))


def _people(seed: int) -> list[dict[str, object]]:
    try:
        from mock2pg.source import people  # the names take a tenth of a second to load
    except ModuleNotFoundError as missing:
        hint = "Install it with: pip install 'mock2pg[sample]'"
        raise UsageError(f"a sample needs {missing.name}, which is not installed", hint=hint) from None
    return people.invented(seed)


def _stream(database: duckdb.DuckDBPyConnection, recipe: Path, path: Path) -> int:
    """Write a recipe's rows to `path`, a chunk at a time; how many there are."""
    select = recipe.read_text(encoding="utf-8")
    count = 0
    with _named(recipe), path.open("w", encoding="utf-8", newline="\n") as file:
        rows = database.execute(f"SELECT sparse(made, row_number() OVER ()) FROM (\n{select}\n) AS made")  # noqa: S608
        file.write("[")
        while chunk := rows.fetchmany(CHUNK):
            file.write(",\n" if count else "\n")
            file.write(",\n".join(row for (row,) in chunk))
            count += len(chunk)
        file.write("\n]\n")
    return count


@contextmanager
def _named(recipe: Path) -> Iterator[None]:
    """Say which recipe failed, without what DuckDB quotes of it."""
    try:
        yield
    except duckdb.Error as error:
        raise InternalError(f"the recipe {recipe.name} does not run: {type(error).__name__}") from error
