"""Columns, foreign keys and unique constraints, as the catalogue has them."""

from __future__ import annotations

from dataclasses import dataclass, field

from psycopg import sql


@dataclass(frozen=True)
class TargetColumn:
    """One column as the catalogue has it; `data_type` as format_type spells it.

    deterministic  values that its collation calls equal are the same bytes
    unique_by      the equality of a unique index on it, perhaps with other columns: `pg_catalog.=`
    """

    name: str
    data_type: str
    type_category: str
    generated: bool
    identity_always: bool
    not_null: bool = False
    has_default: bool = False
    draws: bool = False  # its next value may be drawn from a sequence
    deterministic: bool = True
    unique_by: str | None = None

    @property
    def is_text(self) -> bool:
        """Return True for a text type: text, varchar, char, citext, or a domain over one of these."""
        return self.type_category == "S"


@dataclass(frozen=True)
class TargetForeignKey:
    """One foreign key; `parent` is the whole table where the key leads to a partition.

    equals  the operators that compare parent and child, which a search path might not find: `pg_catalog.=`
    child_only, parent_only  whether the rows of tables that inherit from one are no rows of its own
    readable  whether this role may read both tables; PostgreSQL itself looks at them as their owner
    deferred  it is INITIALLY DEFERRED: looked at when the transaction ends
    """

    name: str
    table: str
    columns: tuple[str, ...]
    parent_schema: str
    parent: str
    parent_columns: tuple[str, ...]
    schema: str = ""  # of `table`
    on_delete: str = "NO ACTION"
    on_update: str = "NO ACTION"
    equals: tuple[str, ...] = field(default=(), compare=False)
    child_only: bool = field(default=True, compare=False)
    parent_only: bool = field(default=True, compare=False)
    readable: bool = field(default=True, compare=False)
    deferred: bool = field(default=False, compare=False)

    @property
    def child_rows(self) -> sql.Composable:
        return only_own_rows(self.schema, self.table, only=self.child_only)

    @property
    def parent_rows(self) -> sql.Composable:
        return only_own_rows(self.parent_schema, self.parent, only=self.parent_only)

    def refers(self, child: str, parent: str) -> sql.Composable:
        """The condition that `child`, an alias of the table, refers to `parent`, an alias of the parent."""
        pairs = zip(self.columns, self.parent_columns, self.equals, strict=True)
        return sql.SQL(" AND ").join(
            sql.SQL("{}.{} OPERATOR({}) {}.{}").format(
                sql.Identifier(parent),
                sql.Identifier(theirs),
                sql.SQL(equal),
                sql.Identifier(child),
                sql.Identifier(ours),
            )
            for ours, theirs, equal in pairs
        )


@dataclass(frozen=True)
class TargetUnique:
    """A unique constraint or index, or an exclusion constraint.

    columns  those whose values it compares, also inside of an expression or a generated column
    watched  those and all others that decide whether two rows are alike, as in a partial index
    plain    it compares the columns themselves, by the equality of their types
    """

    columns: tuple[str, ...]
    watched: tuple[str, ...]
    plain: bool


def only_own_rows(schema: str, table: str, *, only: bool) -> sql.Composable:
    """The table for FROM; with `only`, without the rows of tables that inherit from it."""
    return sql.SQL("ONLY {}" if only else "{}").format(sql.Identifier(schema, table))
