"""Backup files: what is written comes back, and what is not whole is refused."""

from __future__ import annotations

import json
import random
import resource
import signal
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock2pg.errors import BackupFailed, BackupRefused
from mock2pg.tools import backups
from mock2pg.tools.backups import Backup, Writer

MOMENT = "2026-11-22T10:30:00.000Z"
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


def line(row: object) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode() + b",\n"


def cut(whole: bytes, places: Iterable[int]) -> Iterator[bytes]:
    """The bytes in blocks that end where `places` say."""
    at = 0
    for place in sorted(place % (len(whole) + 1) for place in places):
        yield whole[at:place]
        at = place
    yield whole[at:]


def write(folder: Path, tables: Mapping[str, list[Any]] = ROWS, *, moment: str = MOMENT, places: Any = ()) -> Backup:
    with Writer(folder, moment) as writer:
        writer.begin({"format": backups.FORMAT, "timestamp": moment, "schema": "public", "definitions": None})
        for name, rows in tables.items():
            assert writer.table(name, cut(b"".join(map(line, rows)), places)) == len(rows)
        return writer.finish()


def read(backup: Backup, table: str) -> list[Any]:
    return [json.loads(text.rstrip(b",\n")) for text in backups.rows(backup, table)]


@pytest.fixture
def backup(tmp_path: Path) -> Backup:
    return write(tmp_path / "backups")


def refusal(backup: Backup, backup_id: str | None = None) -> str:
    with pytest.raises(BackupRefused) as refused:
        backups.opened(backup.file.parent, backup.id if backup_id is None else backup_id)
    return refused.value.message


def test_what_is_written_comes_back(backup: Backup) -> None:
    """Header, tables, rows and counts are read as they were written, whatever a table is called."""
    assert backup.id == "backup-2026-11-22T10-30-00-000Z"
    opened = backups.opened(backup.file.parent, backup.id)
    assert opened.header == {"format": backups.FORMAT, "timestamp": MOMENT, "schema": "public", "definitions": None}
    assert opened.tables == backup.tables == {name: len(rows) for name, rows in ROWS.items()}
    assert (opened.sha256, opened.bytes, opened.id) == (backup.sha256, backup.file.stat().st_size, backup.id)
    assert {name: read(opened, name) for name in ROWS} == ROWS


@pytest.mark.parametrize("tables", [ROWS, {}, {"empty": []}, {"a": [], "b": []}])
def test_a_backup_is_json_for_anybody(tables: dict[str, list[Any]], tmp_path: Path) -> None:
    """Any JSON reader finds the tables under "data"."""
    document = json.loads(write(tmp_path, tables).file.read_bytes())
    assert document["data"] == tables
    assert document["counts"] == {name: len(rows) for name, rows in tables.items()}


@given(st.lists(st.integers(0, 500), max_size=12), st.lists(st.text(max_size=5), max_size=5))
@settings(max_examples=60, deadline=None)
def test_blocks_may_end_anywhere(places: list[int], values: list[str]) -> None:
    """Where the server cuts what it sends has nothing to do with rows; also one byte at a time."""
    tables = {"t": [{"v": value} for value in values], "u": []}
    with tempfile.TemporaryDirectory() as folder:
        whole = write(Path(folder, "whole"), tables).file.read_bytes()
        assert write(Path(folder, "cut"), tables, places=places).file.read_bytes() == whole
        assert write(Path(folder, "bytes"), tables, places=range(500)).file.read_bytes() == whole


def test_only_the_owner_can_read_it(backup: Backup) -> None:
    """Personal data: the file is 0600 in a folder of 0700, also when the folder was open before."""
    assert stat.S_IMODE(backup.file.stat().st_mode) == 0o600
    backup.file.parent.chmod(0o755)
    write(backup.file.parent, moment="2026-11-22T10:30:00.001Z")
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


@pytest.mark.parametrize("rows", [10, 3_000])
@pytest.mark.parametrize("limit", [1, 20_000])
def test_a_full_disk_leaves_no_file_and_has_a_name(rows: int, limit: int, tmp_path: Path) -> None:
    """Whether the room ends among the rows or with the last bytes of the buffer, the error says so."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (min(limit, rows * 10), before[1]))
        with pytest.raises(BackupFailed, match="File too large"):
            write(tmp_path, {"t": [{"id": "0123456789"}] * rows}, places=range(0, 100_000, 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_has_a_name(tmp_path: Path) -> None:
    """A file where the folder should be is said as what it is."""
    (tmp_path / "backups").write_text("")
    with pytest.raises(BackupFailed, match="cannot write into"):
        write(tmp_path / "backups")


def test_a_backup_is_never_written_over(backup: Backup) -> None:
    """A second backup of the same millisecond fails, whether the first is done or still being written."""
    before = backup.file.read_bytes()
    with pytest.raises(BackupFailed, match="is there already"):
        write(backup.file.parent, {})
    assert backup.file.read_bytes() == before
    with Writer(backup.file.parent, "2026-01-01T00:00:00.000Z") as first:
        with pytest.raises(BackupFailed):
            write(backup.file.parent, {}, moment="2026-01-01T00:00:00.000Z")
        first.begin({"format": backups.FORMAT, "timestamp": "2026-01-01T00:00:00.000Z"})
        backups.opened(backup.file.parent, first.finish().id)


def test_two_backups_at_once_are_two_files(tmp_path: Path) -> None:
    """Writers of different moments do not disturb each other."""
    with Writer(tmp_path, MOMENT) as first, Writer(tmp_path, "2026-11-22T10:30:00.001Z") as second:
        for writer, moment in ((first, MOMENT), (second, "2026-11-22T10:30:00.001Z")):
            writer.begin({"format": backups.FORMAT, "timestamp": moment})
        first.table("a", [line(1)])
        second.table("b", [line(2)])
        kept = [first.finish(), second.finish()]
    assert [backups.opened(tmp_path, each.id).tables for each in kept] == [{"a": 1}, {"b": 1}]


def places_to_spoil(content: bytes) -> list[int]:
    """Every byte of the structure's lines, and 200 random ones."""
    structural = [at for at, byte in enumerate(content) if byte in b'{}[]:,\n"']
    last = range(content.rstrip().rfind(b"\n"), len(content))
    return sorted({*structural, *last, *random.Random(7).sample(range(len(content)), 200)})


def test_one_changed_byte_is_noticed_wherever_it_is(backup: Backup) -> None:
    """Each bit pattern of damage, in the rows, the structure, the counts and the checksum itself."""
    content = backup.file.read_bytes()
    for place in places_to_spoil(content):
        spoiled = bytearray(content)
        spoiled[place] ^= 1 << place % 8
        backup.file.write_bytes(spoiled)
        assert refusal(backup), place
    backup.file.write_bytes(content)
    assert backups.opened(backup.file.parent, backup.id)


def test_a_file_that_ends_early_is_noticed_wherever_it_ends(backup: Backup) -> None:
    """Also when it ends after a line, or is empty."""
    content = backup.file.read_bytes()
    for length in {0, 1, *range(len(content) - 90, len(content)), *range(2, len(content), 37)}:
        backup.file.write_bytes(content[:length])
        assert "cut short" in refusal(backup), length


@pytest.mark.parametrize("more", [b"\n", b" ", b"{}", b'"checksum": "sha256:' + b"0" * 64 + b'"}\n'])
def test_bytes_after_the_end_are_noticed(more: bytes, backup: Backup) -> None:
    """Whatever was appended is not part of the backup."""
    with backup.file.open("ab") as out:
        out.write(more)
    assert refusal(backup)


def test_a_file_that_was_written_anew_is_refused(backup: Backup) -> None:
    """The same JSON in another layout has no checksum that holds."""
    backup.file.write_text(json.dumps(json.loads(backup.file.read_bytes())))
    assert refusal(backup)


def test_a_renamed_file_is_refused(backup: Backup) -> None:
    """A backup says itself which moment it is of."""
    backup.file.rename(backup.file.with_name("backup-2026-11-22T10-30-00-001Z.json"))
    assert "was renamed: it is the backup of " + MOMENT in refusal(backup, "backup-2026-11-22T10-30-00-001Z")


def test_another_format_is_refused(tmp_path: Path) -> None:
    """A file of a later version is not read as if it were of this one."""
    with Writer(tmp_path, MOMENT) as writer:
        writer.begin({"format": "mock2pg-backup/2", "timestamp": MOMENT})
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
        backups.opened(backup.file.parent / "nowhere", backup.id)


def test_the_list_is_newest_first_and_survives_damage(tmp_path: Path) -> None:
    """Each backup is listed with header and size; a damaged one does not hide the others."""
    assert backups.listed(tmp_path / "nowhere") == []
    old, new = write(tmp_path, moment="2026-01-01T00:00:00.000Z"), write(tmp_path, moment=MOMENT)
    (tmp_path / "backup-damaged.json").write_text("{")
    (tmp_path / ".backup-part.part").write_text("")
    listed = backups.listed(tmp_path)
    assert [backup_id for backup_id, _, _ in listed] == [new.id, old.id, "backup-damaged"]
    assert listed[0][1]["timestamp"] == MOMENT
    assert listed[0][2] == new.bytes
    assert listed[2][1] == {}
