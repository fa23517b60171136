"""Sequences from which the columns of a table draw values, as far as the catalogue shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mock2pg.postgres.connection import Connection

_NAME = r'(?:[a-z_][\w$]*|"(?:[^"]|"")+")'
_CALL = re.compile(r"\bnextval\s*\(", re.IGNORECASE)
_LITERAL = re.compile(rf"\bnextval\s*\(\s*\(*\s*'({_NAME}(?:\.{_NAME})?)'", re.IGNORECASE)
_ASSIGNED = re.compile(
    rf"\bnew\.({_NAME})\s*:?=\s*(?:coalesce\s*\(\s*new\.{_NAME}\s*,\s*)?(?=nextval\b)", re.IGNORECASE
)
# A text that is the number and nothing else: nextval('s'::regclass), (nextval('s'::regclass))::text
_NUMBER = re.compile(r"\(*nextval\('[^']*'::(regclass|text\)::regclass)\)*(::[\w. ]+(\(\d+\))?)?\)*", re.IGNORECASE)


@dataclass(frozen=True)
class NextValue:
    """The source of a column's next value.

    column     "" when a trigger gives a value to an unknown one
    sequences  those that are known, qualified and quoted
    doubt      why the next value may be one that a row holds, in words, or ""
    """

    column: str
    is_text: bool
    sequences: tuple[str, ...] = ()
    doubt: str = ""


@dataclass(frozen=True)
class _Function:
    """One that is not PostgreSQL's own. sequences: those that the catalogue knows it to use."""

    name: str
    schema: str
    text: str
    path: str | None
    sequences: list[str]


def next_values(connection: Connection, schema: str, table: str) -> list[NextValue]:
    """Of identity columns, defaults, functions that a default calls, and triggers before an INSERT."""
    rows = connection.execute(
        """
        SELECT a.attname, t.typcategory::text, coalesce(pg_get_expr(f.adbin, f.adrelid), ''),
            CASE WHEN a.attidentity <> ''
                THEN ARRAY[pg_get_serial_sequence(format('%%I.%%I', %s::text, %s::text), a.attname)]
                ELSE ARRAY(SELECT DISTINCT format('%%I.%%I', n.nspname, s.relname)
                    FROM pg_depend AS d JOIN pg_class AS s ON s.oid = d.refobjid AND s.relkind = 'S'
                        JOIN pg_namespace AS n ON n.oid = s.relnamespace
                    WHERE d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
                        AND d.refclassid = 'pg_class'::regclass) END,
            ARRAY(SELECT d.refobjid FROM pg_depend AS d WHERE d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
                AND d.refclassid = 'pg_proc'::regclass)
        FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
            LEFT JOIN pg_attrdef AS f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
        WHERE a.attrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND a.attnum > 0 AND NOT a.attisdropped
            AND t.typcategory IN ('N', 'S') AND (a.attidentity <> '' OR a.atthasdef) AND a.attgenerated = ''
        ORDER BY a.attnum
        """,
        [schema, table, schema, table],
    ).fetchall()
    found = [
        value
        for name, category, expression, sequences, oids in rows
        if (value := _of_column(connection, schema, name, category == "S", expression, sequences, oids))
    ]
    return found + list(_of_triggers(connection, schema, table, {name: kind == "S" for name, kind, *_ in rows}))


def _of_column(
    connection: Connection,
    schema: str,
    name: str,
    is_text: bool,
    expression: str,
    sequences: Sequence[str],
    oids: Sequence[int],
) -> NextValue | None:
    known, named = set(sequences), True
    if not known:
        known, named = _drawn(connection, expression, (schema, "public"))
    unclear = []
    for function in _functions(connection, oids):
        drawn, clear = _drawn(connection, function.text, _path(function, schema))
        known |= {*drawn, *function.sequences}
        asks = not is_text or _CALL.search(function.text)
        if asks and not (clear and (drawn or function.sequences)):
            unclear.append(function.name)
    doubt = ""
    if unclear:
        doubt = f"its default calls {', '.join(unclear)}, and the sequence that it draws from is unknown"
    elif not named:
        doubt = "its default draws from an unknown sequence"
    elif is_text and known and not oids and not _NUMBER.fullmatch(expression):
        doubt = f"its default makes a text from {', '.join(sorted(known))}"
    return NextValue(name, is_text, tuple(sorted(known)), doubt) if known or doubt else None


def _of_triggers(connection: Connection, schema: str, table: str, is_text: dict[str, bool]) -> Iterator[NextValue]:
    rows = connection.execute(
        "SELECT tgname, tgfoid FROM pg_trigger WHERE tgrelid = format('%%I.%%I', %s::text, %s::text)::regclass"
        " AND NOT tgisinternal AND tgtype & 7 = 7 AND tgenabled <> 'D' ORDER BY tgname",
        [schema, table],
    ).fetchall()
    for trigger, oid in rows:
        for function in _functions(connection, [oid]):
            calls, known = len(_CALL.findall(function.text)), 0
            for assigned in _ASSIGNED.finditer(function.text):
                literal = _LITERAL.match(function.text, assigned.end())
                drawn, _ = _drawn(connection, literal[0] if literal else "", _path(function, schema))
                column = assigned[1]
                column = column[1:-1].replace('""', '"') if column.startswith('"') else column.lower()
                if drawn:
                    known += 1
                    yield NextValue(column, is_text.get(column, False), tuple(drawn))
            if calls > known:
                yield NextValue("", False, (), f"trigger {trigger} draws from an unknown sequence")


def _functions(connection: Connection, oids: Sequence[int]) -> list[_Function]:
    if not oids:
        return []
    rows = connection.execute(
        """
        SELECT format('%%I.%%I', n.nspname, p.proname), n.nspname, p.prosrc,
            (SELECT substr(c, 13) FROM unnest(p.proconfig) AS c WHERE c LIKE 'search_path=%%'),
            ARRAY(SELECT DISTINCT format('%%I.%%I', sn.nspname, s.relname)
                FROM pg_depend AS d JOIN pg_class AS s ON s.oid = d.refobjid AND s.relkind = 'S'
                    JOIN pg_namespace AS sn ON sn.oid = s.relnamespace
                WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_class'::regclass)
        FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
        WHERE p.oid = ANY (%s) ORDER BY 1
        """,
        [list(oids)],
    ).fetchall()
    return [_Function(*row) for row in rows]


def _path(function: _Function, schema: str) -> tuple[str, ...]:
    """The schemas where the function may find what it names without one."""
    if function.path is None:
        return (schema, function.schema, "public")
    return tuple(name.strip().strip('"') for name in function.path.split(","))


def _drawn(connection: Connection, text: str, path: Sequence[str]) -> tuple[set[str], bool]:
    """The sequences that a text names in calls of nextval, and whether those are all calls, each of one sequence."""
    names, found = _LITERAL.findall(text), set()
    clear = len(names) == len(_CALL.findall(text))
    for name in names:
        rows = connection.execute(
            """
            SELECT DISTINCT format('%%I.%%I', n.nspname, c.relname)
            FROM unnest(%s::text[]) AS path(schema) JOIN pg_class AS c
                ON c.oid = to_regclass(CASE WHEN %s THEN %s ELSE format('%%I.%%s', path.schema, %s::text) END)
                JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE c.relkind = 'S'
            """,
            [list(path), bool(re.fullmatch(rf"{_NAME}\.{_NAME}", name, re.IGNORECASE)), name, name],
        ).fetchall()
        found |= {row[0] for row in rows} if len(rows) == 1 else set()
        clear &= len(rows) == 1
    return found, clear
