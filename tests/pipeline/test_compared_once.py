"""Publishing takes the comparison of the preflight where it proves that nobody wrote since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from psycopg.sql import SQL

from mock2pg import MigrationResult, MigrationService, postgres
from mock2pg.backups import snapshot
from mock2pg.errors import PublishFailed
from mock2pg.pipeline.steps.publish import comparison
from mock2pg.publishing import held_difference
from mock2pg.publishing.merge import Merge
from mock2pg.runs import Run
from mock2pg.settings import Settings
from mock2pg.step_results import BackedUp, Horizon, Preflighted
from tests.fix_merge import PARENT, build
from tests.fix_published import small_rows

pytestmark = pytest.mark.usefixtures("few_rows_are_many")

ALL = ["owners", "pets"]


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tables whose comparison publishing took from the preflight."""
    names, look = list[str](), held_difference.look

    def noted(merge: Any, number: int) -> None:
        names.append(merge.table.name)
        look(merge, number)

    monkeypatch.setattr(held_difference, "look", noted)
    return names


def migrate(settings: Settings) -> MigrationResult:
    """Migrate a document of which one pet differs, one is new and one is gone."""
    document = small_rows()
    document["pets"][0]["name"] = "another"
    document["pets"][1]["id"] = "new"
    return MigrationService(settings).migrate_all_data(document)


def meanwhile(monkeypatch: pytest.MonkeyPatch, settings: Settings, statement: str) -> None:
    """Execute a statement when the preflight is over and publishing has not compared yet."""
    compare: Callable[..., Any] = comparison.compare

    def after(*given: Any) -> Any:
        with postgres.connect(settings.url, name="others") as others:
            others.execute(SQL(statement))  # type: ignore[arg-type]
        return compare(*given)

    monkeypatch.setattr(comparison, "compare", after)


def test_rows_are_compared_once(published_small: Settings, looked: list[str]) -> None:
    """A migration of few changes writes what its preflight found."""
    result = migrate(published_small)
    assert result.success, result.message
    assert looked == ALL
    pets = result.summary["publish"]["tables"]["pets"]
    assert (pets["inserted"], pets["updated"], pets["deleted"], pets["after"]) == (1, 1, 1, 132)
    assert result.summary["publish"]["tables"]["owners"]["unchanged"] == 12


def test_workers_of_postgresql_compare_many_rows(
    connection: postgres.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few rows differ, whatever PostgreSQL expects."""
    tables = build(connection, [(PARENT, [(f"{number}", f"{number}") for number in range(2000)])])
    connection.execute("CREATE TABLE public.parent (id text PRIMARY KEY, name text)")
    connection.execute("INSERT INTO public.parent SELECT n, n FROM generate_series(1, 2000) AS n")
    connection.execute("ANALYZE public.parent, mock2pg_next.parent")
    connection.execute("SET parallel_setup_cost = 0; SET parallel_tuple_cost = 9; SET min_parallel_table_scan_size = 0")
    hold, plans = held_difference._hold, list[str]()

    def explained(merge: Any, home: Any, query: str, **names: Any) -> None:
        rows = connection.execute(SQL("EXPLAIN ") + merge.compose(query, **names)).fetchall()
        plans.append("\n".join(row[0] for row in rows))
        hold(merge, home, query, **names)

    monkeypatch.setattr(held_difference, "_hold", explained)
    with connection.transaction():
        Merge(connection, postgres.scratch.NEXT, "public", tables, hold=True)
    assert ["Gather" in plan for plan in plans] == [True, True]


def test_a_table_that_others_write_into_is_compared_again(
    published_small: Settings, looked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their rows are found, and refused if they would be lost."""
    meanwhile(monkeypatch, published_small, "UPDATE public.pets SET legs = 9 WHERE name = 'pet 7'")
    result = migrate(published_small)
    assert isinstance(result.error, PublishFailed)
    assert "others changed the target tables after the backup was taken: pets" in result.error.message
    assert looked == ["owners"]


@pytest.mark.parametrize("what", ["name = 'forged'", "owner_id = NULL"])
def test_a_difference_that_was_forged_is_not_published(
    published_small: Settings, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The rows are compared with the built ones after they were written."""
    meanwhile(monkeypatch, published_small, f"UPDATE mock2pg_next.mock2pg_changed_1 SET {what}")
    result = migrate(published_small)
    assert isinstance(result.error, PublishFailed)
    with postgres.connect(published_small.url, name="test", read_only=True) as connection:
        assert (
            postgres.catalogue.count(connection, SQL("SELECT count(*) FROM public.pets WHERE legs IS NOT NULL")) == 132
        )


def test_a_comparison_counts_only_if_nothing_changed_since(published_small: Settings) -> None:
    """Rows from before the backup and the preflight prove that, if both had as many, under the same definitions."""
    run = Run(migrate(published_small).run_id, published_small)
    with postgres.connect(published_small.url, name="test") as connection:
        now = snapshot.horizon(connection, "public")
        earlier = Horizon("3", now.definitions)  # than the transaction that inserted the rows
        preflight, backup = replace(run.require(Preflighted), compared=now), replace(run.require(BackedUp), horizon=now)

        def taken(preflight: Preflighted, backup: BackedUp = backup) -> list[str]:
            return sorted(comparison._as_compared(connection, "public", preflight, backup, preflight.held))

        assert preflight.held == {"owners": 12, "pets": 132}
        assert taken(preflight) == ALL
        assert taken(replace(preflight, held={"pets": 133, "owners": 12})) == ["owners"]
        assert taken(replace(preflight, compared=None)) == []
        assert taken(replace(preflight, compared=earlier)) == taken(preflight, replace(backup, horizon=earlier)) == []
        assert taken(replace(preflight, compared=replace(now, definitions="others"))) == []
        assert taken(preflight, replace(backup, horizon=None)) == []
        connection.execute("UPDATE public.owners SET name = name WHERE name = 'owner 1'")
        assert taken(preflight) == ["pets"]
        connection.execute("ALTER TABLE public.pets ADD flag boolean DEFAULT true")
        assert taken(preflight) == []
