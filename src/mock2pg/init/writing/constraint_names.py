"""Names that init makes: of constraints, of the project; and texts that dbt renders as Jinja."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Sequence

_PLAIN = re.compile(r"\w+")
_LONGEST = 63  # bytes that PostgreSQL keeps of a name
# packages of dbt's own, and what it takes for no project's name
_TAKEN = {
    "dbt", "dbt_postgres", "adapter", "api", "column", "config", "context", "database", "env", "env_var", "exceptions",
    "execute", "flags", "fromjson", "fromyaml", "graph", "invocation_id", "load_agate_table", "load_result", "log",
    "model", "modules", "post_hooks", "pre_hooks", "ref", "render", "return", "run_started_at", "schema", "source",
    "sql", "sql_now", "store_raw_result", "store_result", "target", "this", "tojson", "toyaml",
    "try_or_compiler_error", "var", "write",
}  # fmt: skip


def constraint(table: str, columns: Sequence[str], kind: str) -> str:
    """Return the name that PostgreSQL would give the constraint; a longer one is cut, and told apart by a hash."""
    name = "_".join((table, *columns, kind))
    if len(name.encode()) <= _LONGEST:
        return name
    end = f"_{hashlib.sha256(name.encode()).hexdigest()[:8]}_{kind}"
    return name.encode()[: _LONGEST - len(end)].decode(errors="ignore") + end


def of_models(tables: Iterable[str]) -> dict[str, str]:
    """Return the model of each table: its name where that can be a file's and dbt's, else one that can."""
    found: dict[str, str] = {}
    for table in sorted(tables, key=lambda name: not _PLAIN.fullmatch(name)):  # plain names stay as they are
        plain = table if _PLAIN.fullmatch(table) else re.sub(r"\W+", "_", table).strip("_") or "table"
        taken = {name.casefold() for name in found.values()}
        free = (
            name for n in itertools.count(1) if (name := f"{plain}_{n}" if n > 1 else plain).casefold() not in taken
        )
        found[table] = next(free)
    return found


def dbt_name(name: str) -> str:
    """Return a name that dbt takes for a project."""
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower()
    return f"project_{plain}".rstrip("_") if not plain or plain[0].isdigit() or plain in _TAKEN else plain


def package_name(name: str) -> str:
    """Return a name that pip takes for a project."""
    return dbt_name(name).replace("_", "-")


def jinja_safe(text: str) -> str:
    """Return a description that dbt can render: nothing in it begins Jinja."""
    return re.sub(r"\{(?=[{%#])", "{ ", text)
