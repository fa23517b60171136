"""Names of tables and columns as PostgreSQL takes them."""

from __future__ import annotations

from collections.abc import Iterable

from mock2pg.errors import ProjectError

_LONGEST = 63  # bytes; PostgreSQL cuts a longer name without an error, so that two may become the same


def refuse_long(where: str, names: Iterable[str]) -> None:
    """Raise ProjectError for a name that PostgreSQL would cut."""
    for name in names:
        if (length := len(name.encode())) > _LONGEST:
            raise ProjectError(
                f"{where}: the name {name} has {length} bytes, and PostgreSQL keeps {_LONGEST}",
                hint="Give it a shorter name. The target tables were not changed.",
            )
