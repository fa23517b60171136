"""`init --from-target`: the tables are there already, and what they say wins over what the values show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from mock2pg import postgres
from mock2pg.contracts import RESERVED
from mock2pg.errors import DatabaseError, UsageError
from mock2pg.init.conclusions import Conclusions, Doubt, Entity
from mock2pg.init.target import matching_tables, reference_types
from mock2pg.init.target import nested as nested_in_target
from mock2pg.init.target.fitting import Fitting
from mock2pg.postgres import existing_tables
from mock2pg.postgres.connection import Connection
from mock2pg.postgres.existing_tables import ExistingTable
from mock2pg.settings import Settings


@contextmanager
def reading(settings: Settings) -> Iterator[Callable[[Conclusions], Conclusions]]:
    """Connect to the target database, which is only read; what it gives makes conclusions into those of its tables.

    Raises UsageError when the settings name no database, DatabaseError when it cannot be read.
    """
    if settings.database_url is None:
        raise UsageError(
            "--from-target reads the tables of your database, and DATABASE_URL is not set",
            hint="Set it in the environment, and MIGRATION_SCHEMA if the tables are not in public.",
        )
    name, timeout = "init", settings.lock_timeout
    with (
        postgres.connect(settings.url, name=name, read_only=True, lock_timeout=timeout) as connection,
        postgres.named(DatabaseError, f"cannot read the tables of {settings.target_schema}"),
    ):
        yield partial(apply, connection=connection, schema=settings.target_schema)


def apply(conclusions: Conclusions, connection: Connection, schema: str) -> Conclusions:
    """Return the conclusions with the names, types, nullability and keys of the schema's tables.

    Nothing in the database is changed. Entities that no table takes stay as they are, and are created.
    Raises UsageError when the schema has no table.
    """
    tables = existing_tables.read(connection, schema)
    if not tables:
        raise UsageError(
            f"the schema {schema} has no table to read for --from-target",
            hint="Name the schema that has: MIGRATION_SCHEMA. For new tables, leave out --from-target.",
        )
    free = [table for table in tables if not table.name.startswith(RESERVED)]  # a model may not have such a name
    matched = matching_tables.match_tables(conclusions.entities, free)
    entities = reference_types.quoted(nested_in_target.absorbed(conclusions.entities, matched.tables))
    apart = {entity.table.name: Fitting(entity, matched.tables) for entity in entities}
    fitted = [apart[entity.table.name].entity(apart) for entity in entities]
    agreed, doubts = reference_types.agreed(fitted)
    there = [each for each in apart.values() if each.table]
    return replace(
        conclusions,
        entities=tuple(agreed),
        doubts=(
            *_still(conclusions.doubts, apart),
            *matched.doubts,
            *(doubt for each in apart.values() for doubt in each.doubts),
            *doubts,
            *_taken_names(entities, matched.tables, existing_tables.other_relations(connection, schema)),
        ),
        left_out=(*conclusions.left_out, *(doubt for each in apart.values() for doubt in each.left_out)),
        database=(
            *(note for each in there for note in each.notes),
            *(
                Doubt(entity.table.name, f"no table of the schema {schema} has its name: it is created")
                for entity in entities
                if entity.table.name not in matched.tables
            ),
            *(
                Doubt(table.name, "no entity fills it: it is left alone")
                for table in tables
                if table not in matched.tables.values()
            ),
        ),
    )


def _still(doubts: Sequence[Doubt], apart: Mapping[str, Fitting]) -> list[Doubt]:
    """Doubts about columns under the names that they have now."""
    found = []
    for doubt in doubts:
        table, _, column = doubt.place.partition(".")
        each = apart.get(table)
        if each and each.table and column and "kept as text" in doubt.message:
            continue  # the table says what it is
        if each and each.table and column in each.names:
            found.append(replace(doubt, place=f"{each.name}.{each.names[column]}"))
        elif each and each.table and not column:
            found.append(replace(doubt, place=each.name))
        else:
            found.append(doubt)
    return found


def _taken_names(entities: Sequence[Entity], matched: Mapping[str, ExistingTable], others: set[str]) -> list[Doubt]:
    return [
        Doubt(entity.table.name, "a view, sequence or index of the database has this name: give the model another one")
        for entity in entities
        if entity.table.name not in matched and entity.table.name in others
    ]
