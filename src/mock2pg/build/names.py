"""Names of tables and columns as PostgreSQL takes them."""

from __future__ import annotations

import json
from collections.abc import Iterable

from mock2pg.contracts import RESERVED
from mock2pg.errors import ProjectError
from mock2pg.json_paths import parsed
from mock2pg.text import printable

_LONGEST = 63  # bytes; PostgreSQL cuts a longer name without an error, so that two may become the same


def refuse_unfit(where: str, names: Iterable[str]) -> None:
    """Raise ProjectError for a name that PostgreSQL would cut or not take, or that a terminal cannot show."""
    for name in names:
        if not name or not name.isprintable():
            raise ProjectError(
                f"{printable(where)}: the name {json.dumps(name)} is empty or has characters that cannot be printed",
                hint="Give it a name of printable characters.",
            )
        if (length := len(name.encode())) > _LONGEST:
            raise ProjectError(
                f"{where}: the name {name} has {length} bytes, and PostgreSQL keeps {_LONGEST}",
                hint="Give it a shorter name.",
            )


def refuse_reserved(name: str) -> None:
    """Raise ProjectError for a target table whose name could be that of a table that mock2pg makes beside it."""
    if name.startswith(RESERVED):
        raise ProjectError(
            f"{name}: names of tables that begin with {RESERVED} are mock2pg's own",
            hint="Give the table another name.",
        )


def referred(text: str) -> tuple[str, str]:
    """The table and the column that `table.column` names; a name with a dot is a JSON string, as in a path."""
    try:
        table, column = parsed(text)
    except ValueError:
        table, _, column = text.rpartition(".")
    return str(table), str(column)


def refuse_alike(what: str, names: Iterable[str]) -> None:
    """Raise ProjectError for names that are the same but perhaps for case: the staging database and files of some
    systems do not tell them apart.
    """
    by_folded: dict[str, list[str]] = {}
    for name in names:
        by_folded.setdefault(name.casefold(), []).append(name)
    if alike := sorted(name for same in by_folded.values() if len(same) > 1 for name in set(same)):
        raise ProjectError(f"{what} whose names differ in case at the most: {', '.join(alike)}")
