"""The models and their contracts: one line of SQL where nothing changes, and named constraints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mock2pg.init.conclusions import ConcludedColumn, Entity, Reference
from mock2pg.init.writing import constraint_names as names
from mock2pg.init.writing.declarations import described
from mock2pg.init.writing.yaml_text import flow, item


def sql(entity: Entity) -> str:
    """Return the model's SQL."""
    source = f"{{{{ source('landing', {_jinja(entity.table.name)}) }}}}"
    if not any(column.constant or column.expression or _cast(column) for column in entity.columns):
        return f"select * from {source}\n"
    columns = ",\n".join(f"        {_selected(column)}" for column in entity.columns)
    return (
        f"with\n\nstaged as (\n\n    select * from {source}\n\n),\n\n"
        f"filled as (\n\n    select\n{columns}\n\n    from staged\n\n)\n\nselect * from filled\n"
    )


def contract(entity: Entity, named: Mapping[str, str]) -> str:
    """Return the model's YAML: what the target table is. The evidence is in INIT.md: it changes with the rows.

    named  the model of each table
    """
    model = named[entity.name]
    text = f"models:\n  - name: {flow(model)}\n    description: {flow(names.jinja_safe(described(entity.table)))}\n"
    circular = [_foreign_key(entity, key) for key in entity.references if key.enforced and key.cyclic]
    config = f"      alias: {flow(entity.name)}\n" if model != entity.name else ""
    if model != entity.table.name or circular or entity.distribution:
        config += "      meta:\n"
    if model != entity.table.name:
        config += f"        source: {flow(entity.table.name)}\n"
    if entity.distribution:
        config += f"        distribution: {flow(entity.distribution)}\n"
    if circular:
        config += "        foreign_keys:\n" + "".join(item(key, 10) for key in circular)
    text += f"    config:\n{config}" if config else ""
    text += "    constraints:\n" + "".join(item(constraint, 6) for constraint in _constraints(entity, named))
    return text + "    columns:\n" + "".join(item(_column(entity, column), 6) for column in entity.columns)


def _constraints(entity: Entity, named: Mapping[str, str]) -> list[dict[str, Any]]:
    key = {"name": names.constraint(entity.name, (), "pkey"), "type": "primary_key", "columns": entity.primary_key}
    uniques = [
        {"name": names.constraint(entity.name, columns, "key"), "type": "unique", "columns": columns}
        for columns in entity.uniques
    ]
    references = [_reference(entity, key, named) for key in entity.references if key.enforced and not key.cyclic]
    return [key, *uniques, *references]


def _reference(entity: Entity, key: Reference, named: Mapping[str, str]) -> dict[str, Any]:
    action = {"expression": f"on delete {key.on_delete}"} if key.on_delete else {}
    return {
        "name": names.constraint(entity.name, key.columns, "fkey"),
        "type": "foreign_key",
        "columns": key.columns,
        "to": f"ref({_jinja(named.get(key.parent, key.parent))})",
        "to_columns": key.parent_columns,
        **action,
    }


def _foreign_key(entity: Entity, key: Reference) -> dict[str, Any]:
    """A reference in a circle, which dbt must not see as one between models."""
    return {
        "name": names.constraint(entity.name, key.columns, "fkey"),
        "columns": key.columns,
        "to": key.parent,
        "to_columns": key.parent_columns,
        **({"on_delete": key.on_delete} if key.on_delete else {}),
    }


def _column(entity: Entity, column: ConcludedColumn) -> dict[str, Any]:
    found: dict[str, Any] = {"name": column.name, "data_type": column.target_type}
    if column.declared.required or column.name in entity.primary_key:
        found["constraints"] = [{"type": "not_null"}]
    reason = column.derived or ("no field of the source fills it" if column.constant else "")
    if reason:
        found["config"] = {"meta": {"derived": reason}}
    return found


def _selected(column: ConcludedColumn) -> str:
    name = _identifier(column.name)
    if made := column.constant or column.expression:
        return f"{made} as {name}"
    return f"cast({name} as {column.target_type}) as {name}" if _cast(column) else name


def _cast(column: ConcludedColumn) -> bool:
    return bool(column.data_type) and column.data_type != column.declared.data_type


def _identifier(name: str) -> str:
    """The name quoted for SQL that dbt renders."""
    quoted = '"' + name.replace('"', '""') + '"'
    return f"{{{{ {_jinja(quoted)} }}}}" if "{" in name else quoted


def _jinja(text: str) -> str:
    """The text as a string of Jinja."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"
