"""The difference between target tables and a backup, found while the former are read; and the proof that builds on it.

Whatever the order of the rows is, the difference is that of two sets.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mock2pg import backups, postgres
from mock2pg.backups import differing_rows, exported_rows, held_difference, snapshot, staged
from mock2pg.backups.held_difference import ComparedContent, HeldDifference, HeldRows
from mock2pg.postgres import catalogue
from mock2pg.postgres.owners_code import OwnersCode
from mock2pg.postgres.server import binary
from tests.fix_restore import back_up, execute, state_of


def lines(numbers: list[int]) -> list[bytes]:
    return [b'{"id":%d}' % number for number in numbers]


def compared(backup: list[int], target: list[int], folder: Path) -> HeldRows | None:
    """Read both in blocks, as files and COPY give them."""
    text = b",\n".join(lines(backup)) + b"\n"
    blocks = [part + b"\n" for part in text.split(b"\n")[:-1]] if backup else []
    content = ComparedContent(blocks, folder / "table")
    for at in range(0, len(target), 3):
        content.add(lines(target[at : at + 3]))
    content.end()
    assert str(content) == str(of(target))
    return content.held


def of(numbers: list[int]) -> exported_rows.ContentHash:
    content = exported_rows.ContentHash()
    content.add(lines(numbers))
    return content


@pytest.mark.parametrize("seed", range(20))
def test_the_difference_is_that_of_two_sets(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    backup, target = (chance.sample(range(12), chance.randint(1, 12)) for _ in range(2))
    held = compared(backup, target, tmp_path)
    if {*backup} == {*target}:
        assert held is None
        return
    assert held is not None
    assert {*held.back.read_bytes().splitlines()} == {*lines(backup)} - {*lines(target)}
    assert {*held.gone.read_bytes().splitlines()} == {*lines(target)} - {*lines(backup)}
    assert held.gone_hash == str(of(sorted({*target} - {*backup})))
    assert {oct(file.stat().st_mode)[-3:] for file in (held.back, held.gone)} == {"600"}


@pytest.mark.parametrize("at", [1, 2, 100, 998])
@pytest.mark.parametrize(("gone", "new"), [(1, 0), (0, 1), (1, 1), (5, 0), (0, 5)])
def test_lines_after_a_difference_are_compared_with_each_other_again(
    gone: int, new: int, at: int, tmp_path: Path
) -> None:
    """None of them waits: to look for each of them among all others takes longer than to compare two."""
    backup, target = [*range(1000)], [*range(1000)]
    backup[at:at], target[at:at] = range(2000, 2000 + gone), range(3000, 3000 + new)
    content = ComparedContent([b",\n".join(lines(backup)) + b"\n"], tmp_path / "table")
    for start in range(0, len(target), 256):
        content.add(lines(target[start : start + 256]))
    assert content._waited <= 4 * held_difference._COMPARED
    content.end()
    assert {*content._back} == {*lines(backup)} - {*lines(target)}


@pytest.mark.parametrize(("backup", "target"), [([*range(9)], [9]), ([9], [*range(9)])])
def test_no_more_lines_wait_than_fit_into_memory(
    backup: list[int], target: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL compares tables whose rows have another order."""
    monkeypatch.setattr(held_difference, "_WAITING", 60)
    assert compared(backup, target, tmp_path) is None


SPOILED = {
    "nothing": "SELECT",
    "a row that was to stay, removed": "DELETE FROM public.t WHERE id = 5",
    "a row that was to stay, changed": "UPDATE public.t SET v = 'spoiled' WHERE id = 5",
    "a row that came, changed": "UPDATE public.t SET v = 'spoiled' WHERE id = 1",
    "a row more": "INSERT INTO public.t VALUES (9, 'spoiled')",
}
NOT_REMOVED = """
    CREATE FUNCTION public.keep() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN IF old.id <> 4 THEN RETURN old; END IF; DELETE FROM public.t WHERE id = 5; RETURN NULL; END';
    CREATE TRIGGER keep BEFORE DELETE ON public.t FOR EACH ROW EXECUTE FUNCTION public.keep()"""


@pytest.mark.parametrize("trigger", ["", NOT_REMOVED])
def test_the_content_is_proven_without_the_rows_that_stay(trigger: str, database: str, tmp_path: Path) -> None:
    """Rows are known by the transaction that wrote them; what is found is always what reading all rows finds."""
    rows = "SELECT n, 'v' || n FROM generate_series({}, {}) AS n"
    execute(database, "CREATE TABLE public.t (id int PRIMARY KEY, v text); INSERT INTO public.t "
            + rows.format(1, 3) + "; INSERT INTO public.t " + rows.format(5, 7))  # fmt: skip
    backup = back_up(database, tmp_path)
    execute(database, "UPDATE public.t SET v = 'other' WHERE id = 1; DELETE FROM public.t WHERE id = 2;"
            "INSERT INTO public.t VALUES (4, 'new');" + trigger)  # fmt: skip
    compared = ComparedContent(backups.rows(backup, "t"), tmp_path / "t")
    with snapshot.export(database, "public", binary("pg_dump")) as found:
        assert found.horizon is not None
        for _ in exported_rows.rows(found.connection, "public", "t", compared):
            pass
    assert compared.held is not None
    held = HeldDifference(found.horizon.transaction, {"t": compared.held})
    for what, spoiled in SPOILED.items():
        with postgres.connect(database, name="rollback") as connection, connection.transaction(force_rollback=True):
            there = staged.Staged(connection, state_of(backup), {"t": str(compared)}, held)
            code = OwnersCode(connection, "public", ["t"])
            _, (merged,) = differing_rows.write(connection, "public", there, code, {})
            connection.execute(spoiled)
            content = exported_rows.content_hash(connection, "public", "t")
            assert differing_rows.content_hash(connection, "public", there, merged) == content, what
            assert (content == there.hashes["t"]) == (what == "nothing" and not trigger)
            assert catalogue.rows(connection, "public", "t") >= 5
