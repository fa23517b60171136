"""The foreign keys of a contract: dbt's constraints, and those of config.meta to the own table or in a circle.

For dbt a reference is an edge between models, which may form no circle; for PostgreSQL it is a constraint, which may.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mock2pg.contracts import ForeignKey, Table
from mock2pg.errors import ProjectError

_WORDS = ("name", "columns", "to", "to_columns", "on_delete")
_ACTIONS = ("no action", "restrict", "cascade", "set null", "set default")
_REFERRED = re.compile(r"""ref\((?:.*,)?\s*(['"])(.+)\1\s*\)\s*""")


def foreign_keys(
    node: Mapping[str, Any], constraints: Iterable[Mapping[str, Any]], names: Mapping[str, str]
) -> tuple[ForeignKey, ...]:
    """The foreign keys of a model, a node of dbt's manifest. Raises ProjectError naming what is not understood.

    constraints  those of its contract that are foreign keys
    names        model -> the name of its table, where that is another one
    """
    meta = node["config"].get("meta", {})
    built = [
        ForeignKey(
            tuple(key["columns"]),
            _referred(key["to"], names),
            tuple(key["to_columns"]),
            key.get("expression") or meta.get("on_delete", ""),
        )
        for key in constraints
    ]
    return (*built, *declared(node, names))


def declared(node: Mapping[str, Any], names: Mapping[str, str]) -> tuple[ForeignKey, ...]:
    """Those of config.meta, which dbt does not build. Raises as `foreign_keys` does."""
    return tuple(_declared(node, key, names) for key in node["config"].get("meta", {}).get("foreign_keys", ()))


def _referred(to: str, names: Mapping[str, str]) -> str:
    """The table that a reference names: `ref('a_model')` when parsed, `"db"."schema"."a_table"` when compiled."""
    if found := _REFERRED.fullmatch(to):
        return names.get(found[2], found[2])
    return to.rpartition(".")[2].strip('"')


def _declared(node: Mapping[str, Any], key: Mapping[str, Any], names: Mapping[str, str]) -> ForeignKey:
    where = f"{node['name']}: config.meta.foreign_keys"
    if not isinstance(key, Mapping) or isinstance(key.get("columns"), str) or isinstance(key.get("to_columns"), str):
        raise ProjectError(f"{where}: it is a list of keys, each with lists of columns and to_columns")
    if unknown := [word for word in key if word not in _WORDS]:
        raise ProjectError(f"{where}: {unknown[0]} is not one of {', '.join(_WORDS)}")
    action = str(key.get("on_delete", "no action")).lower()
    if action not in _ACTIONS:
        raise ProjectError(f"{where}: on_delete is {action}, which is not one of {', '.join(_ACTIONS)}")
    columns, to_columns = tuple(key["columns"]), tuple(key["to_columns"])
    if not columns or not set(columns) <= set(node["columns"]) or len(columns) != len(to_columns):
        raise ProjectError(
            f"{where}: columns ({', '.join(columns)}) refer to to_columns ({', '.join(to_columns)}):"
            " it needs columns of the contract, and as many of the other table"
        )
    return ForeignKey(
        columns, names.get(key["to"], key["to"]), to_columns, f"on delete {action}" if "on_delete" in key else ""
    )


def refuse_dangling(of_tables: Mapping[str, Iterable[ForeignKey]], tables: Sequence[Table]) -> None:
    """Raise ProjectError for a key of config.meta that leads to no primary or unique key of a target table.

    of_tables  the keys of config.meta of each table. Of dbt's own PostgreSQL says so, when they are built
    """
    by_name = {table.name: table for table in tables}
    for name, keys in of_tables.items():
        for key in keys:
            parent = by_name.get(key.parent)
            if parent is None:
                raise ProjectError(f"{name}: config.meta.foreign_keys: {key.parent} is not a target table")
            if set(key.parent_columns) not in map(set, (parent.primary_key, *parent.uniques)):
                raise ProjectError(
                    f"{name}: config.meta.foreign_keys: ({', '.join(key.parent_columns)}) is not a primary or unique"
                    f" key of {key.parent}"
                )
