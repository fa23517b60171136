"""Backup files that are packed, encrypted or both: the same document inside, and no byte of them may change."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyrage
import pytest
import zstandard
from pydantic import SecretStr

from mock2pg import backups
from mock2pg.backups import Backup, Writer
from mock2pg.backups import ending as backup_ending
from mock2pg.errors import BackupFailed, BackupRefused, UsageError
from mock2pg.settings import REPOSITORY
from tests.fix_backups import MOMENT, line, read, room, write

PUBLIC, IDENTITY = backups.new_key()
FORMS = {
    ".json": {},
    ".json.gz": {"compression": "gzip"},
    ".json.zst": {"compression": "zstd"},
    ".json.age": {"recipient": PUBLIC},
    ".json.gz.age": {"compression": "gzip", "recipient": PUBLIC},
    ".json.zst.age": {"compression": "zstd", "recipient": PUBLIC},
}
ROWS: dict[str, list[Any]] = {"a": [{"id": 1}, {"id": "é"}], "b": []}

Form = dict[str, str]


@pytest.fixture(params=FORMS, ids=lambda ending: ending)
def form(request: pytest.FixtureRequest) -> Form:
    return FORMS[request.param]


def document(file: Path) -> bytes:
    """Read the file with the standard programs: age, then zcat or zstd."""
    content = file.read_bytes()
    if file.suffix == ".age":
        key = pyrage.x25519.Identity.from_str(IDENTITY.get_secret_value())
        content = pyrage.decrypt(content, [key])
        file = file.with_suffix("")
    if file.suffix == ".gz":
        return gzip.decompress(content)
    if file.suffix == ".zst":
        return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(content), read_across_frames=True).read()
    return content


@pytest.mark.parametrize("ending", FORMS)
def test_every_form_holds_the_same_document(ending: str, tmp_path: Path) -> None:
    """The name says the form; the id does not; the standard programs get the plain document out of it."""
    plain = write(tmp_path / "plain", ROWS)
    backup = write(tmp_path / "backups", ROWS, **FORMS[ending])
    assert backup.file.name == f"{plain.id}{ending}"
    assert document(backup.file) == plain.file.read_bytes()
    assert (backup.id, backup.sha256, backup.digests) == (plain.id, plain.sha256, plain.digests)
    opened = backups.open_backup(tmp_path / "backups", backup.id, IDENTITY)
    assert opened == backup
    assert {name: read(opened, name) for name in ROWS} == ROWS


def test_the_end_of_a_backup_lists_its_tables_by_itself(form: Form, tmp_path: Path) -> None:
    """It is read without what comes before it, of which there may be much; an encrypted one says nothing."""
    backup = write(tmp_path, {**ROWS, "c": [{"id": os.urandom(500).hex()} for _ in range(2000)]}, **form)
    content = backup.file.read_bytes()
    backup.file.write_bytes(bytes(len(content) // 2) + content[len(content) // 2 :])
    assert backup_ending.rows(backup.file) == (None if "recipient" in form else {"a": 2, "b": 0, "c": 2000})
    backup.file.write_bytes(content[:-200])
    assert backup_ending.rows(backup.file) is None


def test_who_wrote_a_backup_can_read_it_again_at_once(form: Form, tmp_path: Path) -> None:
    """Without any key but that of the process, which is gone with it: so that the restore test can read the backup."""
    backup = write(tmp_path, ROWS, **form)
    assert backups.reread(backup) == backup
    assert {name: read(backup, name) for name in ROWS} == ROWS
    assert backup.header["timestamp"] == MOMENT
    backup.file.write_bytes(backup.file.read_bytes()[:-1])
    with pytest.raises(BackupRefused):
        backups.reread(backup)


def refusal(backup: Backup, identity: SecretStr | None = IDENTITY) -> BackupRefused:
    with pytest.raises(BackupRefused) as refused:
        backups.open_backup(backup.file.parent, backup.id, identity)
    return refused.value


def test_any_flipped_byte_is_noticed(form: Form, tmp_path: Path) -> None:
    """Every byte of the file; but one that means nothing to a packer changes nothing that is read."""
    backup = write(tmp_path, ROWS, **form)
    content = backup.file.read_bytes()
    tables = content.rfind(content[:3])  # they are packed apart
    # time and system in gzip's headers, what is left of the last byte before its checksums; the unused bits of zstd
    meaningless = {*range(10), tables - 9, *range(tables, tables + 10), len(content) - 9}
    for place in range(len(content)):
        spoiled = bytearray(content)
        spoiled[place] ^= 1 << place % 8
        backup.file.write_bytes(spoiled)
        try:
            opened = backups.open_backup(tmp_path, backup.id, IDENTITY)
        except BackupRefused:
            continue
        assert form.keys() == {"compression"}, place
        assert place in meaningless
        assert {name: read(opened, name) for name in ROWS} == ROWS


def test_any_other_end_is_noticed(form: Form, tmp_path: Path) -> None:
    """Cut at every length, and with bytes put after it."""
    backup = write(tmp_path, ROWS, **form)
    content = backup.file.read_bytes()
    for length in range(len(content)):
        backup.file.write_bytes(content[:length])
        assert refusal(backup), length
    for more in (b"\n", b"x" * 1000, content):
        backup.file.write_bytes(content + more)
        assert refusal(backup), more


def test_a_file_of_another_form_than_its_name_is_refused(tmp_path: Path) -> None:
    """The ending decides how it is read; what was packed otherwise does not pass."""
    for number, (ending, form) in enumerate(FORMS.items()):
        backup = write(tmp_path / str(number), ROWS, **form)
        for other in FORMS.keys() - {ending}:
            file = backup.file.rename(backup.file.with_name(backup.id + other))
            assert refusal(backup)
            backup.file.unlink(missing_ok=True)
            file.rename(backup.file)


def test_a_full_disk_leaves_no_file_and_has_a_name(form: Form, tmp_path: Path) -> None:
    """Wherever the room ends: with the first byte, among the rows, or with the very last byte."""
    rows = {"t": [{"id": os.urandom(50).hex()} for _ in range(3000)]}
    size = write(tmp_path / "whole", rows, **form).bytes
    random = 250 if "recipient" in form else 0  # age puts something of any length into its header, to be ignored
    for limit in (1, 20_000, size // 2, size - 7000, *range(size - random - 100, size - random, 33), size - random - 1):
        with room(limit), pytest.raises(BackupFailed, match="File too large"):
            write(tmp_path / "full", rows, places=range(0, 300_000, 997), **form)
        assert list((tmp_path / "full").iterdir()) == []
    with room(size + random):
        backup = write(tmp_path / "full", rows, **form)
    assert backups.open_backup(tmp_path / "full", backup.id, IDENTITY) == backup


def test_an_encrypted_backup_is_never_in_clear_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the file, nor the part of it before it has its name, nor any temporary one."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()

    def look() -> int:
        files = [file for file in tmp_path.rglob("*") if file.is_file()]
        assert all(b"CANARY" not in file.read_bytes() for file in files)
        return sum(file.stat().st_size for file in files)

    def watched() -> Iterator[bytes]:
        for number in range(200):
            yield line({"id": number, "text": "CANARY " * 1000})
            look()
        assert look() > 500_000  # most of it lies there already

    with Writer(tmp_path / "backups", MOMENT, "none", PUBLIC) as writer:
        writer.begin({"format": backups.FORMAT, "timestamp": MOMENT, "definitions": "CANARY"})
        writer.table("t", watched())
        backup = writer.finish()
    assert look() > 1_400_000
    assert read(backup, "t")[199]["text"].startswith("CANARY")


def test_each_recipient_can_open_it_and_nobody_else(tmp_path: Path) -> None:
    """Two keys by comma, one of them locked away for the day when the other is lost."""
    second, kept = backups.new_key()
    _, stranger = backups.new_key()
    backup = write(tmp_path, ROWS, recipient=f"{PUBLIC}, {second}")
    assert backups.open_backup(tmp_path, backup.id, IDENTITY) == backups.open_backup(tmp_path, backup.id, kept)
    assert "encrypted to a key other than" in refusal(backup, stranger).message
    missing = refusal(backup, None)
    assert "is encrypted, and no key is given" in missing.message
    assert "MIGRATION_BACKUP_IDENTITY" in missing.hint


def test_a_key_may_stand_in_a_file(tmp_path: Path) -> None:
    """As age-keygen writes it, with comments; more than one may stand there."""
    backup = write(tmp_path / "backups", ROWS, recipient=PUBLIC)
    file = tmp_path / "key.txt"
    _, other = backups.new_key()
    file.write_text(f"# a key\r\n{other.get_secret_value()}\n\n{IDENTITY.get_secret_value()}\r\n")
    assert backups.open_backup(tmp_path / "backups", backup.id, SecretStr(str(file))) == backup


@pytest.mark.parametrize("given", ["AGE-SECRET-KEY-1CANARY", "CANARY", "{folder}", "{folder}/CANARY", "{file}"])
def test_a_key_that_is_none_is_not_quoted(given: str, tmp_path: Path) -> None:
    """A mistyped key looks like a path that is not there, so neither is shown."""
    (tmp_path / "file").write_text("AGE-SECRET-KEY-1CANARY\n")
    backup = write(tmp_path / "backups", ROWS, recipient=PUBLIC)
    refused = refusal(backup, SecretStr(given.format(folder=tmp_path, file=tmp_path / "file")))
    assert "MIGRATION_BACKUP_IDENTITY is neither" in refused.message
    assert "CANARY" not in str(refused.as_dict()) + repr(refused.__cause__)


def test_a_recipient_that_is_none_is_a_wrong_setting(tmp_path: Path) -> None:
    """One character that is wrong is known before anything is written."""
    with pytest.raises(UsageError, match="MIGRATION_BACKUP_RECIPIENT"):
        write(tmp_path / "backups", ROWS, recipient=PUBLIC[:-1] + ("q" if PUBLIC[-1] != "q" else "p"))
    assert list(tmp_path.iterdir()) == []


def test_what_is_listed_without_the_key(tmp_path: Path) -> None:
    """Id, size and that it is encrypted, in the order of the ids; with the key all that others show."""
    old = write(tmp_path, ROWS, moment="2026-01-01T00:00:00.000Z", compression="zstd", recipient=PUBLIC)
    new, newest = write(tmp_path, ROWS, recipient=PUBLIC), write(tmp_path, ROWS, moment="2027-01-01T00:00:00.000Z")
    listed = backups.list_backups(tmp_path)
    assert [(entry.id, entry.bytes, entry.encrypted) for entry in listed] == [
        (newest.id, newest.bytes, False),
        (new.id, new.bytes, True),
        (old.id, old.bytes, True),
    ]
    assert [entry.timestamp for entry in listed] == ["2027-01-01T00:00:00.000Z", "", ""]
    assert [entry.header for entry in backups.list_backups(tmp_path, IDENTITY)] == [
        backup.header for backup in (newest, new, old)
    ]
    assert [entry.no_key for entry in backups.verify(tmp_path)] == [False, True, True]
    assert not any(entry.refused for entry in backups.verify(tmp_path, IDENTITY))


def test_reading_that_is_given_up_leaves_nothing_open(form: Form, tmp_path: Path) -> None:
    """No file, no pipe and no thread, wherever it was stopped."""
    write(tmp_path, {"t": [{"id": os.urandom(50).hex()} for _ in range(5000)]}, **form)

    def held() -> tuple[int, int]:
        return len(os.listdir("/dev/fd")), threading.active_count()

    before = held()
    opened = backups.open_backup(tmp_path, backups.list_backups(tmp_path)[0].id, IDENTITY)
    backups.list_backups(tmp_path, IDENTITY)
    rows = backups.rows(opened, "t")
    next(rows)
    del rows, opened
    assert held() == before


PROGRAM = """
import itertools, resource, sys
from pathlib import Path
from pydantic import SecretStr
from mock2pg import backups
from tests.fix_backups import MOMENT, line

folder, rows, compression, recipient, identity = Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]
block = b"".join(line({"id": number, "text": "the same " * 30}) for number in range(100))
with backups.Writer(folder, MOMENT, compression, recipient) as writer:
    writer.begin({"format": backups.FORMAT, "timestamp": MOMENT})
    for table in "ab":
        writer.table(table, itertools.repeat(block, rows // 200))
    writer.finish()
opened = backups.open_backup(folder, backups.list_backups(folder)[0].id, SecretStr(identity) if identity else None)
assert sum(block.count(b"\\n") for table in "ab" for block in backups.rows(opened, table)) == rows
unit = 1 if sys.platform == "darwin" else 1024
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
"""


def peak(folder: Path, rows: int, form: Form) -> int:
    """The most memory, in bytes, that a process held which wrote so many rows, opened them and read them."""
    arguments = [str(folder), str(rows), form.get("compression", "none"), form.get("recipient", "")]
    key = IDENTITY.get_secret_value() if "recipient" in form else ""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments, key], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    return int(done.stdout)


@pytest.mark.parametrize("ending", [".json.gz", ".json.zst.age"])  # what packs nothing holds less
def test_memory_is_flat(ending: str, tmp_path: Path) -> None:
    """60 MB more of rows need no more memory, written and read, and also when they pack to a hundredth."""
    few, many = (peak(tmp_path / str(rows), rows, FORMS[ending]) for rows in (200, 200_000))
    assert many - few < 10_000_000
