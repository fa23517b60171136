"""One entity on its way to the existing table that it is: what is kept of it, and what the table says instead."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from mock2pg.init.conclusions import ConcludedColumn, Doubt, Entity, Reference
from mock2pg.init.target import matching_columns, unfilled
from mock2pg.init.target.conversions import Field, Fit
from mock2pg.init.target.types import contract_type, fit
from mock2pg.json_paths import Mark
from mock2pg.postgres.existing_tables import ExistingTable
from mock2pg.staged_tables import SourceColumn
from mock2pg.text import counted

_LITERAL = re.compile(r"('([^']|'')*'|-?\d+(\.\d+)?|true|false)(?=::|$)")  # a default that is the same for each row


class Fitting:
    """One entity on its way to the table that it is, if there is one."""

    def __init__(self, entity: Entity, matched: Mapping[str, ExistingTable]) -> None:
        self.given, self.table = entity, matched.get(entity.table.name)
        self.doubts: list[Doubt] = []
        self.left_out: list[Doubt] = []
        self.notes: list[Doubt] = []
        self.names = {column.name: column.name for column in entity.columns}
        if self.table is None:
            return
        self.names, self.doubts = matching_columns.match_columns(entity, matched)
        self.key, self.key_evidence = self._key(self.table)
        for name in (*self._kept_key(), *self._rest()):
            self.names[name] = name
        self.left_out = [self._lost(column) for column in entity.columns if column.name not in self.names]

    @property
    def name(self) -> str:
        return self.table.name if self.table else self.given.table.name

    def entity(self, apart: Mapping[str, Fitting]) -> Entity:
        """The entity as the table has it; `apart` are all, whose names it refers to."""
        if self.table is None:
            columns = [self._renamed(column, apart) for column in self.given.columns]
            return self._with(columns, self.given.primary_key, self.given.uniques, apart)
        columns = [
            self._renamed(self._column(column), apart) for column in self.given.columns if column.name in self.names
        ]
        constants, self_notes, doubts = unfilled.columns(self.table, columns)
        self.notes += self_notes
        self.doubts += doubts
        if self.table.holds_rows:
            told = "it holds rows already: one whose key is not in the source is deleted, within the limits of a run"
            self.notes.append(Doubt(self.table.name, told))
        theirs = [*self.table.uniques, self.table.primary_key]
        theirs += [self.table.narrowed(each) for each in theirs]
        uniques = [unique for each in self.given.uniques if (unique := self._all(each)) and _among(unique, theirs)]
        kept = [
            replace(column, declared=replace(column.declared, unique=False))
            if column.declared.unique and (column.name,) != self.key and not _among((column.name,), theirs)
            else column
            for column in columns
        ]
        made = self._with([*kept, *constants], self.key, tuple(u for u in uniques if u != self.key), apart)
        lost = [column for column in self.given.columns if column.name not in self.names]
        paths = [column.declared.path for column in lost if matching_columns.in_row(column)]
        left = tuple(path for path in paths if path not in made.table.left_out)
        grouped = [names for each in made.table.unique if (names := self._all(each)) and _among(names, theirs)]
        table = replace(made.table, left_out=(*made.table.left_out, *left), unique=tuple(grouped))
        distribution = self._distribution(self.table, {column.name for column in made.columns})
        return replace(made, table=table, key_evidence=self.key_evidence, distribution=distribution)

    def _with(
        self,
        columns: Sequence[ConcludedColumn],
        key: tuple[str, ...],
        uniques: tuple[tuple[str, ...], ...],
        apart: Mapping[str, Fitting],
    ) -> Entity:
        declared = tuple(column.declared for column in columns if not column.constant)
        return replace(
            self.given,
            table=replace(self.given.table, name=self.name, columns=declared),
            columns=tuple(columns),
            primary_key=key,
            uniques=uniques,
            references=tuple(found for each in self.given.references if (found := self._reference(each, apart))),
        )

    def _distribution(self, table: ExistingTable, filled: Collection[str]) -> str:
        """The distribution that the model declares, as the table has it."""
        column = table.distribution_column
        if column and column not in filled:
            told = f"its rows are distributed by {column}, which no field of the source fills: fill it in the model"
            self.doubts.append(Doubt(table.name, f"{told}, and declare config.meta.distribution"))
            return ""
        if table.distribution:
            told = f"distributed by {column}" if column else "a reference table"
            self.notes.append(Doubt(table.name, f"it is {told} in Citus, which its model declares"))
        return table.distribution

    def _all(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The target's names of the columns, if it has all of them."""
        return tuple(self.names[name] for name in names) if all(name in self.names for name in names) else ()

    def _key(self, table: ExistingTable) -> tuple[tuple[str, ...], str]:
        """The columns that tell rows apart: the target's primary key if the source fills it, or a unique of both."""
        filled, given = set(self.names.values()), self.given
        alone = [(column.name,) for column in given.columns if column.declared.unique]
        known = [self._all(each) for each in (given.primary_key, *given.uniques, *given.table.unique, *alone)]
        narrow = table.narrowed(table.primary_key)
        if set(narrow) < set(table.primary_key) and _among(narrow, [each for each in known if each]):
            told = f"the primary key in the database, without its distribution column; {given.key_evidence}"
            return narrow, told.rstrip("; ")
        if table.primary_key and set(table.primary_key) <= filled:
            seen = any(each and set(each) <= set(table.primary_key) for each in known)
            if seen:
                return table.primary_key, f"the primary key in the database; {given.key_evidence}".rstrip("; ")
            told = "the primary key in the database; init did not see whether its values are unique in the source"
            self.doubts.append(Doubt(table.name, f"{', '.join(table.primary_key)}: {told}"))
            return table.primary_key, "the primary key in the database"
        full = {self.names.get(column.name) for column in given.columns if column.values == column.rows}
        usable = sorted((u for u in table.uniques if set(u) <= filled & full), key=len)
        for unique in usable:
            if _among(unique, [each for each in known if each]) or not self._all(given.primary_key):
                return unique, "unique in the database, which fills the primary key itself"
        key = tuple(self.names.get(name, name) for name in given.primary_key)
        lacking = [name for name in given.primary_key if name not in self.names]
        told = f"no column for {', '.join(lacking)}" if lacking else "no unique constraint on them"
        self.doubts.append(
            Doubt(
                table.name,
                f"its rows are identified by {', '.join(key)}, and the table has {told}: add it, or take the table out"
                " of the project",
            )
        )
        return key, given.key_evidence

    def _kept_key(self) -> list[str]:
        """Parts of the key that the table lacks: the plan says that they are missing."""
        return [name for name in self.given.primary_key if name not in self.names and name in self.key]

    def _rest(self) -> list[str]:
        """A column of what no other takes: without it the migration would refuse those keys."""
        found = [column.name for column in self.given.columns if column.declared.rest and column.name not in self.names]
        told = "no column takes what is left of a row: add this one as jsonb, or list the keys as `left_out`"
        self.doubts += [Doubt(f"{self.name}.{name}", told) for name in found]
        return found

    def _lost(self, column: ConcludedColumn) -> Doubt:
        assert self.table is not None  # noqa: S101
        path, rows = column.declared.path or column.name, self.given.table.path
        if path == Mark.ELEMENT.value:
            return Doubt(rows, f"no column of {self.table.name} takes the position of a row in its array")
        return Doubt(f"{rows}: {path}", f"no column of {self.table.name} takes it")

    def _column(self, column: ConcludedColumn) -> ConcludedColumn:
        """A column under its name and with its type in the table."""
        assert self.table is not None  # noqa: S101
        name = self.names[column.name]
        there = self.table.column(name)
        if there is None:  # kept, though the table lacks it
            return replace(column, declared=replace(column.declared, required=not column.declared.rest))
        declared, place = column.declared, f"{self.table.name}.{name}"
        texts = column.texts or column.allowed
        field = Field(declared.data_type, declared.format, texts, column.quoted, column.longest, column.gaps)
        found = fit(field, there) if column.values or declared.path == "." else Fit(contract_type(there) or "text")
        if declared.uuid5 or declared.rest:
            found = Fit(declared.data_type, declared.format, "" if declared.rest else found.contract)
        if found.doubt:
            self.doubts.append(Doubt(place, found.doubt.replace("{x}", _identifier(name))))
        emptied = column.gaps and found.contract not in ("", "text")
        full, identifier = column.values == column.rows and not emptied, _identifier(name)
        expression, derived = found.expression.format(x=identifier) if found.expression else "", found.derived
        if there.not_null and not full:
            if value := _LITERAL.match(there.default):
                expression = f"coalesce({expression or identifier}, {value[0]})"
                derived = "; ".join([*([derived] if derived else []), "a row without it gets the database's default"])
            else:
                missing = f"{counted(column.rows - column.values, 'row')} of {column.rows:,} have no value"
                told = f"it is NOT NULL, and {'some texts are empty' if emptied else missing}: write"
                told += f" coalesce({identifier}, ...) in the model and say why in `derived`"
                self.doubts.append(Doubt(place, told))
        required = (there.not_null and full) or name in self.key
        return replace(
            column,
            declared=replace(
                declared,
                name=name,
                data_type=found.data_type,
                format=found.format,
                required=required,
                blank=found.data_type == "text" and (declared.blank or (required and not declared.required)),
            ),
            allowed=there.labels if there.is_enum and not (found.doubt or found.expression) else (),
            data_type=found.contract if found.contract != found.data_type else "",
            expression=expression,
            derived=derived,
            evidence=f"{column.evidence}; {there.data_type} in the database".removeprefix("; "),
        )

    def _renamed(self, column: ConcludedColumn, apart: Mapping[str, Fitting]) -> ConcludedColumn:
        """The column with the names of other columns as the tables have them."""
        declared: SourceColumn = column.declared
        if declared.references:
            parent, theirs = apart.get(declared.references[0]), declared.references[1]
            known = parent is not None and theirs in parent.names
            to = (parent.name, parent.names[theirs]) if parent is not None and known else None
            declared = replace(declared, references=to)
        if declared.uuid5:
            declared = replace(declared, uuid5=self._all(declared.uuid5) or declared.uuid5)
        return replace(column, declared=declared)

    def _reference(self, reference: Reference, apart: Mapping[str, Fitting]) -> Reference | None:
        """The reference as the tables have it; None where a column of it is gone."""
        parent, columns = apart.get(reference.parent), self._all(reference.columns)
        theirs = parent._all(reference.parent_columns) if parent else ()
        if parent is None or not columns or not theirs:
            return None
        found = replace(reference, columns=columns, parent=parent.name, parent_columns=theirs)
        for key in self.table.foreign_keys if self.table else ():
            pairs = dict(zip(key.columns, key.parent_columns, strict=True))
            wanted = dict(zip(columns, theirs, strict=True))
            if key.parent == parent.name and (pairs == wanted or {**self._by_distribution(parent), **wanted} == pairs):
                if found.held < found.of:
                    broken = counted(found.of - found.held, "row")
                    self.doubts.append(
                        Doubt(
                            f"{self.name}.{', '.join(columns)}",
                            f"{broken} of {found.of:,} refer to no row of {parent.name}, which the foreign key"
                            f" {key.name} does not take: correct the source, or leave the rows out in the model",
                        )
                    )
                action = "" if key.on_delete == "NO ACTION" else key.on_delete.lower()
                return replace(found, on_delete=action)
        return found

    def _by_distribution(self, parent: Fitting) -> dict[str, str]:
        """The pair of distribution columns, which is in a foreign key of the database beside the source's own."""
        ours, theirs = (each.table.distribution_column if each.table else "" for each in (self, parent))
        return {ours: theirs} if ours and theirs else {}


def _among(names: tuple[str, ...], several: Sequence[tuple[str, ...]]) -> bool:
    return any(set(names) == set(each) for each in several)


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
