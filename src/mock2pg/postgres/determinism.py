"""Queries whose rows follow from the rows of some schemas and from nothing else, as their parse trees show.

PostgreSQL has parsed a query by the time that it is a view: its tree names every function, operator, type and table
that the query uses. What this file does not know is taken for something that depends on more.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

import psycopg
from psycopg import sql

from mock2pg.postgres.connection import Connection

# No aggregate, window function or LIMIT: the order in which rows are read may decide what those give.
_NODES = frozenset(
    (
        "ALIAS", "ARRAY", "ARRAYEXPR", "BOOLEANTEST", "BOOLEXPR", "CASE", "CASEEXPR", "CASETESTEXPR", "CASEWHEN",
        "COALESCE", "COALESCEEXPR", "COERCEVIAIO", "COLLATEEXPR", "COMMONTABLEEXPR", "CONST", "DISTINCTEXPR",
        "FROMEXPR", "FUNCEXPR", "JOINEXPR", "MINMAX", "MINMAXEXPR", "NULLIFEXPR", "NULLTEST", "OPEXPR", "QUERY",
        "RANGETBLENTRY", "RANGETBLFUNCTION", "RANGETBLREF", "RELABELTYPE", "RTE", "RTEPERMISSIONINFO",
        "SCALARARRAYOPEXPR", "SETOPERATIONSTMT", "SORTGROUPCLAUSE", "SUBLINK", "SUBSCRIPTINGREF", "TARGETENTRY", "VAR",
        "WHEN",
    )
)  # fmt: skip
_NODE = re.compile(r"(?:^|[ (])\{([A-Z0-9_]+)")
_ELSE = re.compile(r":(?:limitCount|limitOffset|rowMarks) [^<]|:hasDistinctOn true|:varattno -")
_FUNCTION = re.compile(r":\w*func?id (\d+)")
_OPERATOR = re.compile(r":(?:opno|eqop|sortop) (\d+)")
_TABLE = re.compile(r":relid (\d+)")
_TYPE = re.compile(r":\w*type(?:Id|id)? (\d+)")
_COLLATION = re.compile(r":\w*coll(?:id|ation)? (\d+)")
_LITERAL = re.compile(r"\{CONST :consttype (\d+) .*?:constisnull (true|false)")
_MOMENTS = re.compile(r"now|today|tomorrow|yesterday", re.IGNORECASE)  # 'now'::date is a literal to the parser
_ESCAPED = re.compile(r"(?:\bE|U&)'", re.IGNORECASE)
_BUILT_IN = 16384  # the first oid of an object that is not PostgreSQL's own
_NAME = "mock2pg_query_"


def are_deterministic(
    connection: Connection, queries: Sequence[str], schemas: Sequence[str], checks: Sequence[str] = ()
) -> bool:
    """Return True when the rows of every query, and the CHECKs of the tables in the schemas, depend on nothing but the
    rows of tables in these schemas.

    schemas  the last is the one in which a view of each query is made, and dropped again
    checks   the CHECKs as they were written
    """
    views = [
        sql.SQL("CREATE VIEW {} AS\n{}\n").format(sql.Identifier(schemas[-1], f"{_NAME}{number}"), sql.SQL(query))
        for number, query in enumerate(queries)
    ]
    try:
        with connection.transaction(force_rollback=True):
            if views:
                connection.execute(sql.SQL(";").join(views))
            trees = connection.execute(_TREES, {"schemas": list(schemas), "home": schemas[-1]}).fetchall()
            rows = connection.execute(
                "SELECT c.oid::bigint FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
                " WHERE n.nspname = ANY (%s)",
                [list(schemas)],
            ).fetchall()
            found = [tree for (tree,) in trees]
            written = (*queries, *checks)
            spelled = any(_MOMENTS.search(re.sub(r"['\s]", "", text)) or _ESCAPED.search(text) for text in written)
            return all(map(_is_known, found)) and _is_immutable(connection, found, {oid for (oid,) in rows}, spelled)
    except psycopg.Error:  # a query that is no view, or an object that is not found on the path
        return False


def _is_known(tree: str) -> bool:
    return set(_NODE.findall(tree)) <= _NODES and not _ELSE.search(tree)


def _is_immutable(connection: Connection, trees: Sequence[str], tables: Collection[int], moments: bool) -> bool:
    """Return whether all that the trees use is PostgreSQL's own and immutable.

    moments  a text among the queries may be one that means another date each day
    """
    every = "\n".join(trees)
    used = {kind: _numbers(kind.findall(every)) for kind in (_FUNCTION, _OPERATOR, _TABLE, _TYPE, _COLLATION)}
    foreign = used[_FUNCTION] | used[_OPERATOR] | used[_TYPE] | used[_COLLATION]
    if not used[_TABLE] <= set(tables) or any(oid >= _BUILT_IN for oid in foreign):
        return False
    converted = used[_TYPE] if "{COERCEVIAIO " in every else set[int]()
    literals = _numbers(oid for oid, null in _LITERAL.findall(every) if null == "false")
    row = connection.execute(
        """
        SELECT NOT EXISTS (SELECT FROM pg_proc WHERE provolatile <> 'i' AND oid IN (
            SELECT unnest(%(functions)s::oid[])
            UNION ALL SELECT oprcode FROM pg_operator WHERE oid = ANY (%(operators)s::oid[])
            UNION ALL SELECT unnest(ARRAY[typinput::oid, typoutput::oid]) FROM pg_type
            WHERE oid = ANY (%(converted)s::oid[])
            UNION ALL SELECT typinput FROM pg_type WHERE oid = ANY (%(literals)s::oid[])
            UNION ALL SELECT typinput FROM pg_type WHERE oid = ANY (%(types)s::oid[]) AND typname ^@ 'reg'))
        """,
        {
            "functions": sorted(used[_FUNCTION]),
            "operators": sorted(used[_OPERATOR]),
            "converted": sorted(converted),
            "literals": sorted(literals) if moments else [],
            "types": sorted(used[_TYPE]),  # of a catalogue's row: its oid is another one in the next build
        },
    ).fetchone()
    return row == (True,)


def _numbers(found: Iterable[str]) -> set[int]:
    return {int(each) for each in found} - {0}


_TREES = """
    SELECT r.ev_action::text FROM pg_rewrite AS r JOIN pg_class AS c ON c.oid = r.ev_class
        JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = %(home)s
    UNION ALL SELECT k.conbin::text FROM pg_constraint AS k JOIN pg_namespace AS n ON n.oid = k.connamespace
        WHERE n.nspname = ANY (%(schemas)s) AND k.conbin IS NOT NULL
"""
