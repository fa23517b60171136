"""The conclusions from a document, with their evidence: read from the values, written into the files."""

from __future__ import annotations

from dataclasses import dataclass

from mock2pg.staged_tables import SourceColumn, SourceTable


@dataclass(frozen=True)
class Doubt:
    """Something that a person should look at.

    place    where: a table, `table.column`, or the path in the source of what was left out
    message  one sentence, without a row value; it names positions where there are exceptions
    """

    place: str
    message: str


@dataclass(frozen=True)
class Reference:
    """A column, or several, whose values are those of another table.

    held, of   rows whose reference is found, of those that have one
    enforced   it holds for all: a foreign key. Otherwise a rule that warns
    cyclic     the tables refer to each other in a circle, or the table to itself: a constraint, not a `ref`
    """

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    held: int
    of: int
    enforced: bool = True
    cyclic: bool = False
    on_delete: str = ""

    @property
    def evidence(self) -> str:
        return f"{self.held:,} of {self.of:,}"


@dataclass(frozen=True)
class ConcludedColumn:
    """A column: as `_sources.yml` declares it, and what its contract adds.

    declared   the staged column; `required` is also the contract's not null
    evidence   why it has this type, in a few words: "830 of 830 are dates"
    rows, values  rows of the table, and those that hold a value
    allowed    the closed set of its texts, for a rule; empty where there is none
    texts      all its different texts, where they are few; to be compared with the labels of an enum, never shown
    longest    characters of its longest text
    quoted     what all its texts spell, but for empty ones: integer, numeric, boolean or a time; empty for any other
    gaps       some of its texts are empty
    data_type  of the target column, where it is not that of the staged one
    constant   SQL that fills a target column which no field of the source fills; `declared` has no path then
    expression SQL over the staged columns that the model has in place of the column alone; with `derived`
    derived    why the model changes the value on purpose
    """

    declared: SourceColumn
    evidence: str
    rows: int
    values: int
    allowed: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    longest: int = 0
    quoted: str = ""
    gaps: bool = False
    data_type: str = ""
    constant: str = ""
    expression: str = ""
    derived: str = ""

    @property
    def name(self) -> str:
        return self.declared.name

    @property
    def target_type(self) -> str:
        return self.data_type or self.declared.data_type


@dataclass(frozen=True)
class Entity:
    """A table: as `_sources.yml` declares it, and what its contract adds.

    table         its `columns` are the declared ones of `columns`
    key_evidence  why the primary key is one: "unique in 830 rows"
    target        the name of the target table, where it is another
    distribution  of an existing table in Citus, as a model declares it
    """

    table: SourceTable
    rows: int
    columns: tuple[ConcludedColumn, ...]
    primary_key: tuple[str, ...]
    key_evidence: str
    uniques: tuple[tuple[str, ...], ...] = ()
    references: tuple[Reference, ...] = ()
    target: str = ""
    distribution: str = ""

    @property
    def name(self) -> str:
        return self.target or self.table.name


@dataclass(frozen=True)
class Conclusions:
    """All that a project is written from.

    entities  parents before children
    doubts    what a person should look at
    left_out  what no column takes, each with its path
    database  what is left to an existing database: its columns and tables that no field fills, each with what it gets
    source    the name of the document or folder, as the project's files call it
    whole     the key that the document as a whole is the value of, where its members are no tables: a map, or one row
    """

    entities: tuple[Entity, ...]
    doubts: tuple[Doubt, ...] = ()
    left_out: tuple[Doubt, ...] = ()
    database: tuple[Doubt, ...] = ()
    source: str = ""
    whole: str = ""
