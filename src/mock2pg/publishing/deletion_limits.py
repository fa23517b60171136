"""Deletion limits: a truncated source looks like one from which rows were deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from mock2pg.contracts import Table
from mock2pg.errors import PublishFailed
from mock2pg.settings import Settings, listed, share
from mock2pg.step_results import Difference, StagedTable
from mock2pg.text import counted

_SMALL = 100  # rows; a share of so few says little


@dataclass(frozen=True)
class DeletionLimits:
    """The limits of one run.

    max_deleted    rows of one table, or a share of them
    allow_empty    entities or tables that may be emptied
    allow_cascade  tables of others whose rows their own keys may change
    entities       staged table -> the array of the input that it comes from
    """

    max_deleted: str = "100%"
    allow_empty: frozenset[str] = frozenset()
    allow_cascade: frozenset[str] = frozenset()
    entities: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings, staged: Mapping[str, StagedTable]) -> Self:
        """The limits that the settings set; `staged` are the tables of the step `stage`."""
        return cls(
            settings.max_deleted,
            frozenset(listed(settings.allow_empty)),
            frozenset(listed(settings.allow_cascade)),
            {name: table.entity for name, table in staged.items()},
        )

    def refusals(self, tables: Sequence[Table], differences: Mapping[str, Difference]) -> list[tuple[str, str, str]]:
        """Return the tables that would lose too many rows: name, loss, and the option that allows it."""
        found = []
        for table in tables:
            difference = differences[table.name]
            entity = self.entities.get(table.source or "", table.name)
            small = self.max_deleted.endswith("%") and difference.before <= _SMALL
            if difference.deleted and not difference.after:
                if not {entity, table.name} & self.allow_empty:
                    lost = f"would be emptied of {counted(difference.before, 'row')}"
                    found.append((table.name, lost, f"If that is intended: --allow-empty {entity}"))
            elif not small and difference.deleted > share(self.max_deleted, difference.before):
                lost = f"would lose {difference.deleted:,} of {counted(difference.before, 'row')}"
                found.append((table.name, lost, f"If that is intended: --max-deleted {difference.deleted}"))
        return found

    def refuse(self, tables: Sequence[Table], differences: Mapping[str, Difference]) -> None:
        """Raise PublishFailed when any table would lose too many rows."""
        refused = [f"{name} {lost}" for name, lost, _ in self.refusals(tables, differences)]
        if refused:
            raise PublishFailed(
                f"more would be deleted than is allowed: {'; '.join(refused)}",
                hint="Add `--allow-empty ENTITY` or `--max-deleted N` (or `N%`) if that is intended.",
            )
