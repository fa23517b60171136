"""Constraints of target tables that no contract names: whether the rows, as they would be, satisfy them.

Where there are any, the rows that the table would hold are put into a scratch table beside the built ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType

import psycopg
from psycopg import sql

from mock2pg.postgres import catalogue
from mock2pg.postgres.describing import described
from mock2pg.publishing.preflight import references
from mock2pg.publishing.preflight.merged_rows import drawn, keys_of, merged_rows
from mock2pg.publishing.preflight.references import FIX_ROWS
from mock2pg.publishing.table_merge import TableMerge
from mock2pg.step_results import Finding
from mock2pg.text import counted


def findings(
    merges: Sequence[TableMerge],
    unknown: Collection[str] = (),
    unfit: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> list[Finding]:
    """Find constraints of the target tables beyond their contracts that the rows do not satisfy.

    unknown  tables that are migrated, too, and whose rows are not known: references to them are left out
    unfit    columns, by table, whose values are not known: constraints that look at them are left out
    """
    found: list[Finding] = []
    for merge in merges:
        found += references.of_part(merges, merge, unknown)
        if merge.created or merge.altered:  # what is altered is seen when it is published
            continue
        found += _fixed(merge)
        untold = set(unfit.get(merge.table.name, ()))
        checks, indexes = _checks(merge, untold), _indexes(merge, untold)
        keys = [
            key
            for key in references.beyond_contract(merges, merge)
            if key.parent not in unknown and not untold & set(key.columns)
        ]
        computed = [name for name in merge.types if merge.there[name].generated and not untold]
        nullable = [column.name for column in merge.table.columns if not column.not_null]
        required = [name for name in (*nullable, *untold) if name in merge.there and merge.there[name].not_null]
        if not (checks or indexes or keys or computed or required):
            continue
        with merged_rows(merge) as rows:
            found += [f for name in required if (f := _nulls(merge, name))]
            found += [f for name, check in checks if (f := _check(merge, rows, name, check))]
            found += [f for name in computed if (f := _computed(merge, rows, name))]
            found += [f for index in indexes if (f := _index(merge, rows, *index))]
            found += [f for key in keys if (f := references.broken(merges, merge, rows, key))]
    return found


def _nulls(merge: TableMerge, name: str) -> Finding | None:
    query = merge.compose("SELECT count(*) FROM {built} AS b WHERE b.{x} IS NULL", x=sql.Identifier(name))
    rows = catalogue.count(merge.connection, query)
    if not rows:
        return None
    what = f"column {name} is NOT NULL, and {counted(rows, 'row')} would have no value in it"
    return Finding(merge.table.name, what, FIX_ROWS)


def _fixed(merge: TableMerge) -> Iterator[Finding]:
    """Identity columns that PostgreSQL lets nobody update."""
    if merge.table.publish == "ensure":
        return
    for name in merge.others:
        if name in merge.settable or not merge.there[name].identity_always:
            continue
        query = merge.compose("SELECT count(*) FROM {target} AS l JOIN {built} AS b ON {keys} WHERE ")
        if rows := catalogue.count(merge.connection, query + merge.differs([name])):
            what = f"column {name} is GENERATED ALWAYS AS IDENTITY, and {counted(rows, 'row')} would change in it"
            yield Finding(merge.table.name, what, "Leave the column out of the contract, or make it BY DEFAULT")


def _checks(merge: TableMerge, untold: Collection[str]) -> list[tuple[str, str]]:
    """name and expression of each check that the built table does not have, and that looks at no `untold` column."""
    query = """
        SELECT conname, pg_get_expr(conbin, conrelid), ARRAY (SELECT attname::text FROM pg_attribute
            WHERE attrelid = conrelid AND attnum = ANY (conkey)) FROM pg_constraint AS c
        WHERE conrelid = %s::regclass AND contype = 'c' AND to_jsonb(c) ->> 'conenforced' IS DISTINCT FROM 'false'
        ORDER BY conname"""
    target, built = (
        merge.connection.execute(query, [home.as_string()]).fetchall() for home in (merge.home, merge.built)
    )
    known = {expression for _, expression, _ in built}
    return [
        (name, expression)
        for name, expression, columns in target
        if expression not in known and not set(untold) & set(columns)
    ]


def _indexes(merge: TableMerge, untold: Collection[str]) -> list[tuple[str, str, str]]:
    """name, "constraint" or "index", and definition of whatever keeps rows from being alike and is not built.

    untold  columns: what looks at one of them is left out
    A constraint's definition is what follows ADD, an index's what follows USING.
    """
    rows = merge.connection.execute(
        """
        SELECT c.relname, coalesce(pg_get_constraintdef(x.oid), (
                SELECT substr(d, strpos(d, u) + length(u)) FROM pg_get_indexdef(i.indexrelid) AS d,
                    format(' %%s USING ', i.indrelid::regclass) AS u)), x.oid IS NOT NULL,
            (SELECT array_agg(a.attname::text ORDER BY a.attname) FROM pg_attribute AS a
                WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[:i.indnkeyatts - 1])),
            i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL,
            ARRAY (SELECT a.attname::text FROM pg_attribute AS a WHERE a.attrelid = i.indrelid AND a.attnum > 0
                AND (a.attnum = ANY (i.indkey) OR EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = i.indexrelid
                    AND d.classid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum)))
        FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
            LEFT JOIN pg_constraint AS x ON x.conindid = i.indexrelid AND x.contype IN ('u', 'x', 'p')
        WHERE i.indrelid = %s::regclass AND (i.indisunique OR i.indisexclusion)
        ORDER BY c.relname
        """,
        [merge.home.as_string()],
    ).fetchall()
    untold = {*untold, *(name for name in drawn(merge) if name not in merge.types)}  # which no two new rows share
    built = catalogue.columns(merge.connection, merge.built_schema, merge.table.name)
    alike = {
        column.name
        for column in built[merge.table.name].values()
        if merge.types.get(column.name) == column.data_type and merge.there[column.name].deterministic
    }
    known = [key for key in (merge.table.primary_key, *merge.table.uniques) if alike.issuperset(key)]
    return [
        (name, "constraint" if is_constraint else "index", definition)
        for name, definition, is_constraint, columns, plain, watched in rows
        if not (plain and any(set(columns).issuperset(key) for key in known)) and not set(untold) & set(watched)
    ]


def _check(merge: TableMerge, home: sql.Identifier, name: str, expression: str) -> Finding | None:
    broken = sql.SQL(" FROM {} AS c WHERE NOT ({})").format(home, sql.SQL(expression))
    try:
        with merge.connection.transaction():
            rows = merge.code.number(sql.SQL("SELECT count(*)") + broken)
    except psycopg.DataError as error:
        return Finding(merge.table.name, f"check {name} cannot be judged: {described(error)}", FIX_ROWS)
    except psycopg.ProgrammingError as error:
        return Finding(merge.table.name, f"check {name} cannot be judged: {described(error)}", _PATH)
    if not rows:
        return None
    what = f"check {name} would be violated by {counted(rows, 'row')} ({keys_of(merge, broken)})"
    return Finding(merge.table.name, what, FIX_ROWS)


def _computed(merge: TableMerge, home: sql.Identifier, name: str) -> Finding | None:
    query = "SELECT count(*) FROM {c} AS l JOIN {built} AS b ON {keys} WHERE "
    rows = catalogue.count(merge.connection, merge.compose(query, c=home) + merge.differs([name]))
    if not rows:
        return None
    what = f"column {name} is generated, and would differ from what is built in {counted(rows, 'row')}"
    return Finding(merge.table.name, what, "Leave the column out of the contract, or build what is generated")


def _index(merge: TableMerge, home: sql.Identifier, name: str, kind: str, definition: str) -> Finding | None:
    """Return True when the constraint could be created on the merged rows."""
    if kind == "constraint":
        statement = sql.SQL("ALTER TABLE {} ADD {}").format(home, sql.SQL(definition))
    else:
        statement = sql.SQL("CREATE UNIQUE INDEX ON {} USING {}").format(home, sql.SQL(definition))
    try:
        with merge.connection.transaction():
            merge.connection.execute(statement)
    except (psycopg.errors.UniqueViolation, psycopg.errors.ExclusionViolation):
        what = f"unique {kind} {name} would be violated by two rows"
        return Finding(merge.table.name, what, FIX_ROWS)
    except psycopg.DataError as error:
        return Finding(merge.table.name, f"{kind} {name} cannot be judged: {described(error)}", FIX_ROWS)
    except psycopg.ProgrammingError:
        return None  # PostgreSQL 17 and later make an index under an empty path; publishing finds out
    return None


_PATH = (
    "Give its function a path of its own (ALTER FUNCTION ... SET search_path), or let nobody else create in its schema"
)
