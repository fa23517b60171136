"""Rules of Citus for the statements that mock2pg sends; they are read with PostgreSQL's own parser.

Each rule stands for an error, or a wrong answer, that Citus gave (versions 13 and 14). A statement that keeps them is
not proven to be taken: that is for the tests marked `citus`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pglast import ast, parse_sql
from pglast.enums import A_Expr_Kind, ObjectType
from pglast.parser import ParseError

from mock2pg import postgres
from tests.citus.recorded import Statement

Name = tuple[str, str]  # schema, table
REFERENCE, CATALOGUE = "reference", ("pg_catalog", "information_schema")
_WRITES = (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)
_DISTRIBUTES = re.compile(
    r"""create_(?:distributed_table\('(?P<table>[^']+)', '(?P<column>[^']+)'|reference_table\('(?P<reference>[^']+)')"""
)
_SEVERAL = (ast.AlterTableStmt, ast.CreateFunctionStmt, ast.IndexStmt)


@dataclass(frozen=True)
class Broken:
    rule: str
    session: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule} [{self.session}]: {self.text}"


@dataclass
class Known:
    """The database: tables and how they are distributed, columns, types and functions.

    tables     a distributed table and its column, or "reference"
    columns    table -> column -> type, whatever the schema
    volatile   function -> provolatile, the least stable of those of its name
    written    type -> provolatile of its output function
    read       type -> that of its input function
    """

    tables: dict[Name, str] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    volatile: Mapping[str, str] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)
    read: Mapping[str, str] = field(default_factory=dict)


def known(url: str) -> Known:
    """Read the catalogue; no table is taken to be distributed yet."""
    with postgres.connect(url, name="test") as connection:
        columns: dict[str, dict[str, str]] = {}
        for table, column, kind in connection.execute(
            "SELECT c.relname, a.attname, t.typname FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid"
            " JOIN pg_type AS t ON t.oid = a.atttypid WHERE c.relkind IN ('r', 'p') AND a.attnum > 0"
        ):
            columns.setdefault(table, {})[column] = kind
        functions = connection.execute(
            "SELECT proname, max(CASE provolatile WHEN 'v' THEN '2v' WHEN 's' THEN '1s' ELSE '0i' END)"
            " FROM pg_proc GROUP BY 1"
        ).fetchall()
        types = connection.execute(
            "SELECT t.typname, o.provolatile::text, i.provolatile::text FROM pg_type AS t"
            " JOIN pg_proc AS o ON o.oid = t.typoutput JOIN pg_proc AS i ON i.oid = t.typinput"
        ).fetchall()
    return Known(
        {},
        columns,
        {name: kind[1] for name, kind in functions},
        {name: out for name, out, _ in types},
        {name: into for name, _, into in types},
    )


def broken(statements: Iterable[Statement], about: Known) -> list[Broken]:
    """Return the rules that statements break, in order; tables become distributed as the statements say."""
    found, sessions = list[Broken](), dict[int, set[str]]()
    for statement in statements:
        own = sessions.setdefault(statement.pid, set())
        for rule in _rules_broken(statement, about, own):
            found.append(Broken(rule, statement.session, statement.text))
        for call in _DISTRIBUTES.finditer(statement.text):
            table, column = call["table"] or call["reference"], call["column"] or REFERENCE
            schema, _, name = table.partition(".")
            about.tables[schema.strip('"'), name.strip('"')] = column
    return found


def _rules_broken(statement: Statement, about: Known, transaction: set[str]) -> Iterator[str]:
    try:
        parsed = [each.stmt for each in parse_sql(statement.text)]
    except ParseError:
        yield "is not SQL"
        return
    if len(parsed) > 1 and any(
        isinstance(each, _SEVERAL) and _Names(each, about).spread for each in parsed
    ):  # 42601 cannot insert multiple commands into a prepared statement
        yield "several commands in one string, and one defines something of a distributed table"
    for each in parsed:
        _remember(each, transaction)
        names = _Names(each, about)
        if not names.spread:
            continue
        for rule in RULES:
            if words := rule(each, names, transaction):
                yield words


def _remember(statement: Any, transaction: set[str]) -> None:
    """Keep what the transaction has set; of a savepoint nothing ends."""
    if isinstance(statement, ast.TransactionStmt) and statement.kind.name in (
        "TRANS_STMT_BEGIN",
        "TRANS_STMT_COMMIT",
        "TRANS_STMT_ROLLBACK",
    ):
        transaction.clear()
    elif isinstance(statement, ast.VariableSetStmt) and statement.is_local and statement.name:
        transaction.add(statement.name)


class _Names:
    """The tables of a statement, by what it calls them, and how they are distributed."""

    def __init__(self, statement: Any, about: Known) -> None:
        self.about = about
        self.nodes = list(_walk(statement))
        self.ranges = [node for node in self.nodes if isinstance(node, ast.RangeVar)]
        common = {node.ctename for node in self.nodes if isinstance(node, ast.CommonTableExpr)}
        self.ranges = [each for each in self.ranges if each.schemaname or each.relname not in common]
        self.by_alias = {_alias(each): each for each in self.ranges}
        self.spread = [each for each in self.ranges if self.how(each)]
        self.local = [
            each for each in self.ranges if not self.how(each) and each.schemaname and each.schemaname not in CATALOGUE
        ]

    def how(self, table: Any) -> str:
        return self.about.tables.get((table.schemaname or "", table.relname), "")

    def distributed(self, tables: Iterable[Any]) -> list[Any]:
        return [each for each in tables if self.how(each) not in ("", REFERENCE)]

    def type_of(self, column: Any) -> str:
        """The type of a column that names its table by an alias; empty when it is not known."""
        parts = [part.sval for part in column.fields if isinstance(part, ast.String)]
        table = self.by_alias.get(parts[0]) if len(parts) == 2 else None
        return self.about.columns.get(table.relname, {}).get(parts[1], "") if table else ""


def _walk(node: Any) -> Iterator[Any]:
    if isinstance(node, (list, tuple)):
        for each in node:
            yield from _walk(each)
    elif isinstance(node, ast.Node):
        yield node
        for attribute in node:
            yield from _walk(getattr(node, attribute))


def _alias(table: Any) -> str:
    return str(table.alias.aliasname if table.alias else table.relname)


def _is_write(statement: Any) -> bool:
    return any(isinstance(node, _WRITES) for node in _walk(statement))


def _names_of(function: Any) -> str:
    return str(function.funcname[-1].sval)


Rule = Callable[[Any, _Names, set[str]], str]


def local_tables(statement: Any, names: _Names, _: set[str]) -> str:
    """0A000 relation is not distributed; direct joins between distributed and local tables are not supported."""
    for node in names.nodes:
        if isinstance(node, (ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)):
            own = _Names(node, names.about)
            if own.how(node.relation) and own.local:
                return "writes a distributed or reference table, and reads a local one"
        if isinstance(node, ast.SelectStmt) and node.fromClause:
            own = _Names([node.fromClause, node.whereClause], names.about)
            if own.distributed(own.ranges) and own.local:
                return "joins a distributed table with a local one"
    return ""


def whole_rows(statement: Any, names: _Names, _: set[str]) -> str:
    """row_to_json(t.*) of a subquery loses the names of the columns: the shards are asked for ROW(a, b)."""
    if names.distributed(names.ranges):
        for node in names.nodes:
            stars = [each for each in _walk(node.args) if isinstance(each, ast.A_Star)] if _calls(node) else []
            if stars and _names_of(node) != "count":
                return "gives a whole row of a distributed table to a function"
    return ""


def _calls(node: Any) -> bool:
    return isinstance(node, ast.FuncCall) and bool(node.args)


def unstable_functions(statement: Any, names: _Names, _: set[str]) -> str:
    """0A000 functions used in UPDATE queries must not be VOLATILE; STABLE ones are not called with columns."""
    about = names.about
    for update in names.nodes:
        if not isinstance(update, ast.UpdateStmt) or not names.how(update.relation):
            continue
        for node in _walk(update):
            columns = [each for each in _walk(node) if isinstance(each, ast.ColumnRef)]
            if isinstance(node, ast.FuncCall):
                kind = about.volatile.get(_names_of(node), "v")
                if kind == "v" or (kind == "s" and columns):
                    return f"calls {_names_of(node)}() in an UPDATE"
            if isinstance(node, ast.TypeCast) and isinstance(node.arg, ast.ColumnRef):
                own, array = names.type_of(node.arg), "_" if node.typeName.arrayBounds else ""
                wanted = array + str(node.typeName.names[-1].sval)
                if wanted in ("text", "varchar") and own not in ("", wanted) and about.written.get(own) == "s":
                    return f"casts a {own} to text in an UPDATE"
                if own in ("text", "varchar") and about.read.get(wanted) == "s":
                    return f"casts text to {wanted} in an UPDATE"
    return ""


def correlated_deletes(statement: Any, names: _Names, _: set[str]) -> str:
    """0A000 only reference tables may be queried when targeting a reference table with multi shard UPDATE/DELETE."""
    for node in names.nodes:
        if isinstance(node, (ast.DeleteStmt, ast.UpdateStmt)) and names.how(node.relation) == REFERENCE:
            alias = _alias(node.relation)
            for sub in _walk([node.whereClause, getattr(node, "fromClause", None)]):
                if not isinstance(sub, ast.SelectStmt) or not sub.fromClause:
                    continue
                direct = [each for each in sub.fromClause if isinstance(each, ast.RangeVar)]
                outer = any(
                    isinstance(each, ast.ColumnRef) and getattr(each.fields[0], "sval", "") == alias
                    for each in _walk(sub.whereClause)
                )
                if names.distributed(direct) and outer:
                    return "writes a reference table by a correlated subquery of a distributed one"
    return ""


def sequential(statement: Any, names: _Names, transaction: set[str]) -> str:
    """XX000 cannot modify table because there was a parallel operation on a distributed table."""
    if _is_write(statement) and "citus.multi_shard_modify_mode" not in transaction:
        return "writes before the transaction is sequential"
    return ""


def lock_timeout(statement: Any, names: _Names, transaction: set[str]) -> str:
    """A lock_timeout that set_config() set is not known on the shards."""
    if _is_write(statement) and not {"citus.propagate_set_commands", "lock_timeout"} <= transaction:
        return "writes without a lock_timeout that the shards know"
    return ""


def joined_by_the_column(statement: Any, names: _Names, _: set[str]) -> str:
    """0A000 complex joins are only supported when all tables are joined on their distribution columns."""
    spread = names.distributed(names.ranges)
    if len(spread) < 2 or isinstance(statement, (ast.CreateTableAsStmt, ast.LockStmt, ast.AlterTableStmt)):
        return ""
    for node in names.nodes:
        if not isinstance(node, ast.SubLink) and not isinstance(node, (ast.SelectStmt, *_WRITES)):
            continue
        level = _level(node)
        tables = names.distributed(level)
        if len(tables) < 2:
            continue
        equal = set[tuple[str, str]]()
        for each in _walk(node):
            if isinstance(each, ast.A_Expr) and each.kind == A_Expr_Kind.AEXPR_OP and each.name[-1].sval == "=":
                sides = [_column(side) for side in (each.lexpr, each.rexpr)]
                if all(sides):
                    equal |= {side for side in sides if side}
        for table in tables:
            if (_alias(table), names.how(table)) not in equal:
                return f"joins {table.relname}, but not by its distribution column"
    return ""


def _level(node: Any) -> list[Any]:
    """The tables that one query joins: its own, and those of its EXISTS."""
    found = list[Any]()
    if isinstance(node, (ast.UpdateStmt, ast.DeleteStmt)):
        found.append(node.relation)
    for clause in ("fromClause", "usingClause"):
        for each in getattr(node, clause, None) or ():
            found += [each] if isinstance(each, ast.RangeVar) else []
            found += [t for t in _walk(each) if isinstance(t, ast.RangeVar)] if isinstance(each, ast.JoinExpr) else []
    for each in _walk(getattr(node, "whereClause", None)):
        if isinstance(each, ast.SubLink) and isinstance(each.subselect, ast.SelectStmt):
            found += [t for t in each.subselect.fromClause or () if isinstance(t, ast.RangeVar)]
    return found


def _column(side: Any) -> tuple[str, str] | None:
    while isinstance(side, (ast.TypeCast, ast.CollateClause)):
        side = side.arg
    if isinstance(side, ast.ColumnRef) and len(side.fields) == 2 and isinstance(side.fields[1], ast.String):
        return side.fields[0].sval, side.fields[1].sval
    return None


def column_stays(statement: Any, names: _Names, _: set[str]) -> str:
    """0A000 modifying the partition value of rows is not allowed."""
    for node in names.nodes:
        if isinstance(node, ast.UpdateStmt) and names.how(node.relation) in {
            target.name for target in node.targetList or ()
        }:
            return "changes the distribution column"
    return ""


def one_write(statement: Any, names: _Names, _: set[str]) -> str:
    """23503 at the first part: Citus runs the parts of a WITH one after the other."""
    writes = [node for node in names.nodes if isinstance(node, _WRITES) and names.how(node.relation)]
    return "writes several times in one statement" if len(writes) > 1 else ""


def named_columns(statement: Any, names: _Names, _: set[str]) -> str:
    """42601 a column definition list is required for functions returning "record"."""
    if names.distributed(names.ranges):
        for node in names.nodes:
            if isinstance(node, ast.RangeSubselect) and not node.subquery.targetList and not node.subquery.op.value:
                return "selects nothing in a subquery"
    return ""


def no_temporary_tables(statement: Any, names: _Names, _: set[str]) -> str:
    """Temporary tables are not distributed, and so are not joined."""
    return "names a temporary table" if any(each.schemaname == "pg_temp" for each in names.ranges) else ""


def trigger_functions(statement: Any, names: _Names, _: set[str]) -> str:
    """Triggers are not supported on distributed tables."""
    disables = isinstance(statement, ast.AlterTableStmt) and statement.objtype == ObjectType.OBJECT_TABLE
    if isinstance(statement, ast.CreateTrigStmt) or (
        disables and any("Trig" in command.subtype.name for command in statement.cmds)
    ):
        return "touches triggers of a distributed table"
    return ""


RULES: tuple[Rule, ...] = (
    local_tables,
    whole_rows,
    unstable_functions,
    correlated_deletes,
    sequential,
    lock_timeout,
    joined_by_the_column,
    column_stays,
    one_write,
    named_columns,
    no_temporary_tables,
    trigger_functions,
)
