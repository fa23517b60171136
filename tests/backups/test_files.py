"""Backup files: what is written comes back, and what is not whole is refused."""

from __future__ import annotations

import hashlib
import json
import random
import re
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock2pg import backups
from mock2pg.backups import Backup, Writer
from mock2pg.errors import BackupFailed, BackupRefused
from tests.fix_backups import MOMENT, line, read, write

ROWS: dict[str, list[Any]] = {
    "plain": [{"id": 1, "text": "a"}, {"id": 2, "text": None}],
    "empty": [],
    "one": [{}],
    'quo"ted \\ ü': [{"id": '],\n"counts": {"x": 1},\n"checksum": "sha256:' + "0" * 64 + '"}\n'}],
    "data": [{"id": "{"}],
    "counts": [{"id": "}"}],
    "checksum": [{"id": "😀\u2028"}],
    "sequences": [{"id": "]"}],
}


@pytest.fixture
def backup(tmp_path: Path) -> Backup:
    return write(tmp_path / "backups", ROWS)


def refusal(backup: Backup, backup_id: str | None = None) -> str:
    with pytest.raises(BackupRefused) as refused:
        backups.open_backup(backup.file.parent, backup.id if backup_id is None else backup_id)
    return refused.value.message


def test_what_is_written_comes_back(backup: Backup) -> None:
    """Header, tables, rows and counts are read as they were written, whatever a table is called."""
    assert backup.id == "backup-2026-11-22T10-30-00-000Z"
    opened = backups.open_backup(backup.file.parent, backup.id)
    assert opened.header == {"format": backups.FORMAT, "timestamp": MOMENT, "schema": "public", "definitions": None}
    assert opened.tables == backup.tables == {name: len(rows) for name, rows in ROWS.items()}
    assert (opened.sha256, opened.bytes, opened.id) == (backup.sha256, backup.file.stat().st_size, backup.id)
    assert {name: read(opened, name) for name in ROWS} == ROWS


@pytest.mark.parametrize("tables", [ROWS, {}, {"empty": []}, {"a": [], "b": []}])
def test_a_backup_is_json_for_anybody(tables: dict[str, list[Any]], tmp_path: Path) -> None:
    """Any JSON reader finds the tables under "data"."""
    document = json.loads(write(tmp_path, tables).file.read_bytes())
    assert document["data"] == tables
    assert {name: table["rows"] for name, table in document["tables"].items()} == {
        name: len(rows) for name, rows in tables.items()
    }


def test_a_table_is_digested_as_it_stands_in_the_file(backup: Backup) -> None:
    """Its SHA-256 is that of its lines from its name to its last row, so that anybody can compute it."""
    content = backup.file.read_bytes()
    listed = json.loads(content)["tables"]
    for name in ROWS:
        start = content.index(json.dumps(name, ensure_ascii=False).encode() + b": [\n")
        lines = content[start : content.index(b"\n]", start) + 1]
        assert hashlib.sha256(lines).hexdigest() == listed[name]["sha256"] == backup.digests[name]


@given(st.lists(st.integers(0, 500), max_size=12), st.lists(st.text(max_size=5), max_size=5))
@settings(max_examples=60, deadline=None)
def test_blocks_may_end_anywhere(places: list[int], values: list[str]) -> None:
    """The server may cut what it sends anywhere in a row; also one byte at a time."""
    tables = {"t": [{"v": value} for value in values], "u": []}
    with tempfile.TemporaryDirectory() as folder:
        whole = write(Path(folder, "whole"), tables).file.read_bytes()
        assert write(Path(folder, "cut"), tables, places=places).file.read_bytes() == whole
        assert write(Path(folder, "bytes"), tables, places=range(500)).file.read_bytes() == whole


def test_only_the_owner_can_read_it(backup: Backup) -> None:
    """Personal data: the file is 0600 in a folder of 0700, also when the folder was open before."""
    assert stat.S_IMODE(backup.file.stat().st_mode) == 0o600
    backup.file.parent.chmod(0o755)
    write(backup.file.parent, ROWS, moment="2026-11-22T10:30:00.001Z")
    assert stat.S_IMODE(backup.file.parent.stat().st_mode) == 0o700


def test_a_fault_half_way_leaves_no_file(tmp_path: Path) -> None:
    """A database that goes away while its rows are read leaves neither a backup nor a part of one."""

    def broken() -> Iterator[bytes]:
        yield line({"id": 1})
        raise ConnectionError

    with pytest.raises(ConnectionError), Writer(tmp_path, MOMENT) as writer:  # noqa: PT012  the two belong together
        writer.begin({})
        writer.table("t", broken())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_has_a_name(tmp_path: Path) -> None:
    """A file where the folder should be is said as what it is."""
    (tmp_path / "backups").write_text("")
    with pytest.raises(BackupFailed, match="cannot write into"):
        write(tmp_path / "backups", ROWS)


def test_a_backup_is_never_written_over(backup: Backup) -> None:
    """A second backup of the same millisecond fails, whether the first is done or still being written."""
    before = backup.file.read_bytes()
    with pytest.raises(BackupFailed, match="already exists"):
        write(backup.file.parent, {})
    assert backup.file.read_bytes() == before
    with Writer(backup.file.parent, "2026-01-01T00:00:00.000Z") as first:
        with pytest.raises(BackupFailed):
            write(backup.file.parent, {}, moment="2026-01-01T00:00:00.000Z")
        first.begin({"format": backups.FORMAT, "timestamp": "2026-01-01T00:00:00.000Z"})
        backups.open_backup(backup.file.parent, first.finish().id)


def test_two_backups_at_once_are_two_files(tmp_path: Path) -> None:
    """Writers of different moments do not disturb each other."""
    with Writer(tmp_path, MOMENT) as first, Writer(tmp_path, "2026-11-22T10:30:00.001Z") as second:
        for writer, moment in ((first, MOMENT), (second, "2026-11-22T10:30:00.001Z")):
            writer.begin({"format": backups.FORMAT, "timestamp": moment})
        first.table("a", [line(1)])
        second.table("b", [line(2)])
        kept = [first.finish(), second.finish()]
    assert [backups.open_backup(tmp_path, each.id).tables for each in kept] == [{"a": 1}, {"b": 1}]


def test_what_fails_after_the_last_byte_leaves_no_backup_either(tmp_path: Path) -> None:
    """A backup has its name before it has been restored for a test; an interrupt between the two removes it."""
    with pytest.raises(KeyboardInterrupt), Writer(tmp_path, MOMENT) as writer:  # noqa: PT012
        writer.begin({"format": backups.FORMAT, "timestamp": MOMENT})
        assert writer.finish().file.exists()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def places_to_spoil(content: bytes) -> list[int]:
    """Every byte of structure or of the last two lines, and 200 random ones."""
    structural = [at for at, byte in enumerate(content) if byte in b'{}[]:,\n"']
    last = range(content.rindex(b'"tables": '), len(content))
    return sorted({*structural, *last, *random.Random(7).sample(range(len(content)), 200)})


def test_one_changed_byte_is_noticed_wherever_it_is(backup: Backup) -> None:
    """Each bit pattern of damage, in the header, the rows, the structure, the counts and the checksums themselves."""
    content = backup.file.read_bytes()
    for place in places_to_spoil(content):
        spoiled = bytearray(content)
        spoiled[place] ^= 1 << place % 8
        backup.file.write_bytes(spoiled)
        assert refusal(backup), place
    backup.file.write_bytes(content)
    assert backups.open_backup(backup.file.parent, backup.id)


def test_a_file_that_ends_early_is_noticed_wherever_it_ends(backup: Backup) -> None:
    """At every length, be it after a line, or none at all."""
    content = backup.file.read_bytes()
    for length in range(len(content)):
        backup.file.write_bytes(content[:length])
        assert "truncated" in refusal(backup), length


def resealed(content: bytes) -> bytes:
    """The document with a checksum that is valid for the text before it: edited by somebody who knows how."""
    body = content[: content.rindex(b'"checksum"')]
    return body + f'"checksum": "sha256:{hashlib.sha256(body).hexdigest()}"}}\n'.encode()


def exchanged(text: bytes, one: bytes, other: bytes) -> bytes:
    return text.replace(one, b"?").replace(other, one).replace(b"?", other)


FIRST, SECOND = b'{"id": 1, "text": "a"}', b'{"id": 2, "text": null}'
EMPTY = b'"empty": [\n],\n'
EDITS: dict[str, Callable[[bytes], bytes]] = {
    "swapped names": lambda text: exchanged(text, b'"plain": [', b'"data": ['),
    "swapped rows": lambda text: exchanged(text, b'{"id": "{"}', b'{"id": "}"}'),
    "an edited row": lambda text: text.replace(b'"text": "a"', b'"text": "b"'),
    "a row less": lambda text: text.replace(FIRST + b",\n", b""),
    "a row more": lambda text: text.replace(b'"empty": [\n', b'"empty": [\n{}\n'),
    "rows in another order": lambda text: exchanged(text, FIRST, SECOND),
    "a table less": lambda text: text.replace(EMPTY, b""),
    "a table more": lambda text: text.replace(EMPTY, EMPTY + b'"more": [\n],\n'),
    "a table twice": lambda text: text.replace(EMPTY, EMPTY + EMPTY),
    "tables in another order": lambda text: text.replace(EMPTY, b"").replace(b'"data": {\n', b'"data": {\n' + EMPTY),
    "a table unlisted": lambda text: re.sub(rb'"empty": {"rows": 0, "sha256": "\w+"}, ', b"", text),
    "a wrong count": lambda text: text.replace(b'"empty": {"rows": 0', b'"empty": {"rows": 1'),
    "no list of tables": lambda text: re.sub(rb'"tables": .*\n', b"", text),
    "a list of something else": lambda text: re.sub(rb'"tables": .*\n', b'"tables": [1],\n', text),
}


@pytest.mark.parametrize("edit", EDITS)
def test_tables_that_are_not_those_that_were_listed_are_refused(edit: str, backup: Backup) -> None:
    """Also when the checksum of the whole was computed anew, what a table's own checksum does not cover is found."""
    content = backup.file.read_bytes()
    edited = EDITS[edit](content)
    assert edited != content
    backup.file.write_bytes(edited)
    assert "its checksum does not match" in refusal(backup)
    backup.file.write_bytes(resealed(edited))
    assert "its tables are not those that it lists" in refusal(backup)
    backup.file.write_bytes(resealed(content))
    assert backups.open_backup(backup.file.parent, backup.id)


def test_a_damaged_table_is_named(backup: Backup) -> None:
    """An error names the table to fix, never the row."""
    backup.file.write_bytes(backup.file.read_bytes().replace(b'"text": "a"', b'"text": "b"'))
    assert refusal(backup).endswith("is damaged: its checksum does not match (table plain)")


@pytest.mark.parametrize("more", [b"\0", b"\n", b" ", b"{}", b'"checksum": "sha256:' + b"0" * 64 + b'"}\n'])
def test_bytes_after_the_end_are_noticed(more: bytes, backup: Backup) -> None:
    """Whatever was appended is not part of the backup."""
    with backup.file.open("ab") as out:
        out.write(more)
    assert refusal(backup)


def test_a_file_that_was_written_anew_is_refused(backup: Backup) -> None:
    """Equal JSON in another layout has no valid checksum."""
    backup.file.write_text(json.dumps(json.loads(backup.file.read_bytes())))
    assert refusal(backup)


def test_a_renamed_file_is_refused(backup: Backup) -> None:
    """A backup says itself which moment it is of."""
    backup.file.rename(backup.file.with_name("backup-2026-11-22T10-30-00-001Z.json"))
    assert "was renamed: it is the backup of " + MOMENT in refusal(backup, "backup-2026-11-22T10-30-00-001Z")


def test_another_format_is_refused(tmp_path: Path) -> None:
    """A file of a later version is not read as if it were of this one."""
    with Writer(tmp_path, MOMENT) as writer:
        writer.begin({"format": "mock2pg-backup/1", "timestamp": MOMENT})
        assert "a format that this version does not know" in refusal(writer.finish())


@pytest.mark.parametrize(
    "name",
    [
        "",
        "backup-",
        "..",
        "/etc/passwd",
        "../backups/backup-2026-11-22T10-30-00-000Z",
        "backup-../x",
        "backup-2026-11-22T10-30-00-000Z.json",
        "backup-2026-11-22T10-30-00-000Z\n",
        "backup-2026-11-22T10-30-00-000Z\0",
        " backup-2026-11-22T10-30-00-000Z",
        "backup-٢",
    ],
)
def test_what_is_no_id_is_refused_before_any_file_is_looked_for(name: str, backup: Backup) -> None:
    """An id is not a path."""
    assert "is not the id of a backup" in refusal(backup, name)


def test_a_backup_that_is_not_there_is_refused(backup: Backup) -> None:
    """Another moment, or a folder that was never made."""
    assert "there is no backup" in refusal(backup, "backup-2020-01-01T00-00-00-000Z")
    with pytest.raises(BackupRefused, match="there is no backup"):
        backups.open_backup(backup.file.parent / "nowhere", backup.id)


def test_a_file_that_changes_after_it_was_opened_is_refused_while_it_is_read(backup: Backup) -> None:
    """Replaced, edited, cut short or gone: no row of it is taken for one of the backup that was looked at."""
    content = backup.file.read_bytes()
    opened = backups.open_backup(backup.file.parent, backup.id)
    for changed in (EDITS["an edited row"](content), EDITS["swapped names"](content), content[:100], b""):
        backup.file.write_bytes(changed)
        with pytest.raises(BackupRefused, match=r"after it was opened \(table plain\)|truncated|does not match"):
            read(opened, "plain")
    backup.file.unlink()
    with pytest.raises(BackupRefused, match="cannot be read: No such file"):
        read(opened, "plain")
    backup.file.write_bytes(content)
    assert read(opened, "plain") == ROWS["plain"]


def test_tables_come_in_any_order_and_may_be_left_half_read(backup: Backup) -> None:
    """Rows are where they belong, whatever was asked for before; a table that is not there is refused."""
    opened = backups.open_backup(backup.file.parent, backup.id)
    for name in [*reversed(ROWS), *ROWS, "one", "one"]:
        next(iter(backups.rows(opened, "plain")), None)
        assert read(opened, name) == ROWS[name]
    with pytest.raises(BackupRefused):
        read(opened, "nowhere")


def test_a_backup_that_is_there_twice_is_refused(backup: Backup) -> None:
    """Nobody guesses which of two files of the same id is meant."""
    backup.file.with_name(f"{backup.id}.json.gz").write_bytes(b"")
    assert "exists twice" in refusal(backup)


def test_the_list_is_newest_first_and_survives_damage(tmp_path: Path) -> None:
    """Each backup is listed with header and size, by what it says; a damaged one does not hide the others."""
    assert backups.list_backups(tmp_path / "nowhere") == []
    new, old = write(tmp_path, ROWS, moment=MOMENT), write(tmp_path, ROWS, moment="2026-01-01T00:00:00.000Z")
    (tmp_path / "backup-damaged.json").write_text("{")
    for other in (".backup-part.part", "README.md", "backup-1.json.bak", "backup-1.txt"):
        (tmp_path / other).write_text("")
    listed = backups.list_backups(tmp_path)
    assert [entry.id for entry in listed] == [new.id, old.id, "backup-damaged"]
    assert (listed[0].timestamp, listed[0].bytes, listed[0].encrypted) == (MOMENT, new.bytes, False)
    assert listed[2].header == {}


def test_each_backup_is_judged_on_its_own(tmp_path: Path) -> None:
    """One that is damaged is refused with its reason, and the others are read through all the same."""
    whole, bad = write(tmp_path, ROWS), write(tmp_path, ROWS, moment="2026-01-01T00:00:00.000Z")
    bad.file.write_bytes(bad.file.read_bytes()[:-1])
    first, second = backups.verify(tmp_path)
    assert (first.listed.id, first.refused, first.rows) == (whole.id, "", whole.tables)
    assert (second.listed.id, second.rows) == (bad.id, {})
    assert "truncated" in second.refused
    assert backups.verify(tmp_path, backup_id=bad.id) == [second]
    with pytest.raises(BackupRefused, match="there is no backup"):
        backups.verify(tmp_path, backup_id="backup-1")
