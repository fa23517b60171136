"""Definitions that come and go with a table: its constraints, indexes, triggers, defaults, comments and the like."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mock2pg.backups import dump

_RELATIONS = ("TABLE", "FOREIGN TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "INDEX")
# The kinds of a part -> the place, among the qualified names of its statement, of the relation that it is a part of.
_PARTS = {
    "SEQUENCE OWNED BY": 1,
    "TABLE ATTACH": 1,
    "INDEX ATTACH": 1,
    **dict.fromkeys(("CONSTRAINT", "FK CONSTRAINT", "CHECK CONSTRAINT", "DEFAULT", "INDEX", "SEQUENCE", "TRIGGER"), 0),
    **dict.fromkeys(("RULE", "POLICY", "ROW SECURITY"), 0),
    # Functions, statistics and the like may be called as a relation is, and are no part of it.
    **{f"{of} {kind}": 0 for of in ("COMMENT", "ACL") for kind in (*_RELATIONS, "COLUMN")},
    **{f"COMMENT {kind}": 0 for kind in ("CONSTRAINT", "TRIGGER", "RULE", "POLICY")},
}
_NAME = r'"(?:[^"]|"")*"|[a-z_][a-z0-9_]*'
_QUALIFIED = re.compile(rf"(?:{_NAME})\.({_NAME})|{_NAME}")


def of(changed: Mapping[str, str], before: Mapping[str, str] | None, after: Mapping[str, str] | None) -> dict[str, str]:
    """Part -> the object that was added or removed with it, of the objects that `dump.changed_entries` found."""
    found = {"added": dump.entries(after), "removed": dump.entries(before)}
    within = {}
    for name, what in changed.items():
        whole = _whole(name, found.get(what, {}))
        if whole != name and changed.get(whole) == what:
            within[name] = whole
    return within


def _whole(name: str, entries: Mapping[str, str]) -> str:
    """Return the object that the one of that name is a part of, in the end; itself when it is a part of none."""
    for kind, place in _PARTS.items():
        if name.startswith(f"{kind} ") and name in entries:
            owned = entries.get(f"SEQUENCE OWNED BY {name.removeprefix('SEQUENCE ')}") if kind == "SEQUENCE" else None
            relation = _relation(owned or entries[name], 1 if owned else place)
            whole = next((key for kind in _RELATIONS if relation and (key := f"{kind} {relation}") in entries), name)
            return name if whole == name else _whole(whole, entries)
    return name


def _relation(entry: str, place: int) -> str | None:
    """Return the name of a relation in a statement: of the qualified names in it the one at that place."""
    _, *statements = entry.split("\n--\n")
    if len(statements) != 1:  # pg_dump gave several objects one name: they may be of several relations
        return None
    names = [name for found in _QUALIFIED.finditer(statements[0]) if (name := found[1])]
    return names[place].removeprefix('"').removesuffix('"').replace('""', '"') if place < len(names) else None
