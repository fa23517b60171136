"""A folder of files, or one document, cut into arrays: copied, checked and decoded, with every fault kept."""

from __future__ import annotations

import hashlib
import json
import mmap
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from mock2pg.errors import UsageError
from mock2pg.source.documents import spool, strict
from mock2pg.source.documents.arrays import Arrays
from mock2pg.source.documents.faults import DECLARED_ARRAYS, READABLE_SOURCE, STRICT_JSON, Faults, shown
from mock2pg.source.documents.locations import address
from mock2pg.source.documents.scanner import Lines, Text, key_before, pointer
from mock2pg.text import printable

_FILE = re.compile(r"(?P<entity>[^.].*)\.(?P<form>json|ndjson|jsonl)(\.gz|\.zst)?")
_MEANT = re.compile(r"[^.].*\.(json[5c]?|ndjson|jsonl)(\.(gz|gzip|zst|zstd|bz2|xz|zip|br))?", re.IGNORECASE | re.DOTALL)
_SPACE = b" \t\r\n"


_NAMES = "a name is <entity>.json, .ndjson or .jsonl, in lower case and packed as .gz or .zst; rename or remove it"


class _Files:
    """The common part of reading a folder and reading a document."""

    stream = False

    def __init__(
        self,
        source: Path,
        label: str,
        arrays: Arrays,
        faults: Faults,
        entities: Sequence[str],
        unpacking: spool.Unpacking,
    ) -> None:
        self.source, self.label, self.arrays, self.faults, self.entities = source, label, arrays, faults, entities
        self.unpacking = unpacking
        self.notes: list[str] = []
        self.files: dict[str, dict[str, Any]] = {}

    def spooled(self, source: Path, to: Path, file: str, entity: str = "") -> mmap.mmap | None:
        """The source's bytes in a file of our own, checked to be UTF-8; None, with a fault, when they are not there."""
        try:
            copied = spool.copy(source, to, self.unpacking, stream=self.stream)
            self.files[file] = {"sha256": copied.sha256, "bytes": copied.bytes}
            if copied.marked:
                self.notes.append(f"{file} begins with a byte order mark; it is no part of JSON and was left out")
        except spool.Unreadable as fault:
            self.faults.add(READABLE_SOURCE, str(fault), entity, file=file)
            to.unlink(missing_ok=True)
            return None
        if to.stat().st_size == 0:
            self.faults.add(STRICT_JSON, "is empty; it must hold JSON", entity, file=file, line=1, column=1)
            return None
        with to.open("r+b") as stream:
            text = mmap.mmap(stream.fileno(), 0)
        try:
            strict.check_utf8(memoryview(text))
        except strict.NotJson as fault:
            self.faults.not_json(fault, text, file, entity)
            return None
        return text

    def decoded(self, text: mmap.mmap, kind: Any, file: str, entity: str = "") -> Any:
        """The text as msgspec's type `kind`; None, with a fault, when it is no JSON."""
        try:
            try:
                return strict.decode(memoryview(text), kind)
            except strict.NotJson:
                if not strict.without_lone_surrogates(text):
                    raise
                return strict.decode(memoryview(text), kind)
        except strict.NotJson as fault:
            self.faults.not_json(fault, text, file, entity)
        return None

    def changed(self, file: str) -> None:
        self.faults.add(READABLE_SOURCE, "changed while it was read; run again when nobody writes to it", file=file)


class Folder(_Files):
    """One file per entity."""

    def read(self) -> None:
        before = {file: spool.file_state(file) for file in self._files()}
        for file in sorted(self.source.iterdir()):
            if file not in before and _MEANT.fullmatch(file.name):
                self.faults.add(DECLARED_ARRAYS, f"is not read: {_NAMES}", file=f"{self.label}/{printable(file.name)}")
        if not before and not self.faults.found:
            raise UsageError(
                f"there is no <entity>.json in {self.source}",
                hint=f"Expected: {', '.join(f'{entity}.json' for entity in self.entities)}",
            )
        names = {file.name.partition(".")[0] for file in before}
        for file in before:
            self._file(file, names)
        self.faults.missing(lambda entity: f"{self.label}/{entity}.json")
        for file in spool.changed(before):
            self.changed(f"{self.label}/{printable(file.name)}")
        if set(self._files()) != set(before):
            self.changed(self.label)

    def _files(self) -> list[Path]:
        return sorted(file for file in self.source.iterdir() if _FILE.fullmatch(file.name))

    def _file(self, file: Path, there: Collection[str]) -> None:
        name = _FILE.fullmatch(file.name)
        assert name is not None  # noqa: S101  it is one of `_files`
        entity, label = name["entity"], f"{self.label}/{printable(file.name)}"
        if entity in self.faults.known:
            self.faults.add(DECLARED_ARRAYS, "has two files; keep one", shown(entity), file=label)
            return
        if not self.faults.declared(entity, lambda: None, there, file=label):
            return
        text = self.spooled(file, self.arrays.place(entity), label, entity)
        if text is None:
            return
        if name["form"] == "json":
            self._array(text, entity, label)
        else:
            self._lines(text, entity, label)

    def _array(self, text: mmap.mmap, entity: str, label: str) -> None:
        raw = self.decoded(text, msgspec.Raw, label, entity)
        if raw is None:
            return
        if _is_array(raw):
            self.arrays.keep(entity, memoryview(raw), text=self.arrays.place(entity).name, file=label)
        else:
            self.faults.no_array(entity, file=label, at=address(raw) - address(text), lines=Lines(text))

    def _lines(self, text: mmap.mmap, entity: str, label: str) -> None:
        """NDJSON as an array that keeps its lines: `[` before the first row, `,` before each other one."""
        broken, rows, size, digest = False, 0, 0, hashlib.sha256()
        strict.without_lone_surrogates(text)
        aside = self.arrays.source
        with aside.open("wb") as out:
            for number, line in enumerate(iter(text.readline, b""), start=1):
                row = line.strip(_SPACE)
                if row:
                    try:
                        strict.decode(row, msgspec.Raw)
                    except strict.NotJson as fault:
                        broken = True
                        column = Lines(line).place(len(line) - len(line.lstrip(_SPACE)) + fault.offset)[1]
                        self.faults.add(STRICT_JSON, fault.reason, entity, file=label, line=number, column=column)
                        continue
                    out.write(b"," if rows else b"[")
                    rows, size = rows + 1, size + len(row) + 1
                    digest.update(row + b"\n")
                out.write(line.rstrip(b"\r\n") + b"\n")
            out.write(b"]" if rows else b"[]")
        if not broken:
            aside.chmod(0o600)
            aside.replace(self.arrays.place(entity))
            name = self.arrays.place(entity).name
            self.arrays.keep_hashed(entity, size, digest.digest(), text=name, file=label, lines=True)


class Single(_Files):
    """One object whose keys are the entities."""

    def read(self) -> None:
        self.stream = spool.is_stream(self.source)
        name = _FILE.fullmatch(self.source.name)
        if name and name["form"] != "json":
            raise UsageError(
                f"{self.source} is NDJSON, which holds the rows of one entity",
                hint="Put it into a folder, as <entity>.ndjson, and name the folder.",
            )
        before = {self.source: spool.file_state(self.source)}
        text = self.spooled(self.source, self.arrays.source, self.label)
        if spool.changed(before):
            self.changed(self.label)
        raws = None
        if text is not None:
            try:
                raws = self.decoded(text, dict[str, msgspec.Raw], self.label)
            except msgspec.ValidationError:
                raw = self.decoded(text, msgspec.Raw, self.label)  # or it is no JSON at all, further on
                if raw is not None:
                    message, at = "must be an object whose keys are the entities", address(raw) - address(text)
                    self.faults.add(DECLARED_ARRAYS, message, file=self.label, at=at, lines=Lines(text))
        if text is not None and raws is not None:
            self._cut(text, raws)
            self.faults.missing(lambda _: self.label)

    def _cut(self, text: mmap.mmap, raws: Mapping[str, msgspec.Raw]) -> None:
        spans = {key: address(raw) - address(text) for key, raw in raws.items()}
        lines = Lines(text)
        for entity, at in sorted(spans.items(), key=lambda span: span[1]):
            raw = raws[entity]
            place: dict[str, Any] = {"file": self.label, "pointer": pointer([entity])}
            key = key_before(text, at)
            if self.faults.declared(entity, partial(_rows, raw), raws.keys(), at=key, lines=lines, **place):
                if _is_array(raw):
                    self.arrays.write(entity, memoryview(raw), text=self.arrays.source.name, offset=at, **place)
                else:
                    self.faults.no_array(entity, at=at, lines=lines, **place)
        for name in _repeated(text, raws):
            if name in self.entities:  # or it is a fault already
                at = key_before(text, spans[name])
                place = {"file": self.label, "pointer": pointer([name]), "at": at, "lines": Lines(text)}
                self.faults.add(DECLARED_ARRAYS, "appears twice in the document", name, **place)


def _is_array(raw: msgspec.Raw) -> bool:
    return bytes(memoryview(raw)[:1]) == b"["


def _rows(raw: msgspec.Raw) -> int | None:
    with suppress(msgspec.MsgspecError):
        return len(msgspec.json.decode(raw, type=list[msgspec.Raw]))
    return None


def _repeated(content: Text, raws: Mapping[str, msgspec.Raw]) -> list[str]:
    """Duplicate keys at the top: msgspec keeps the last value only, so the earlier one is left over
    when the kept values are cut out of the document."""
    base = address(content)
    spans = sorted((address(raw) - base, len(memoryview(raw))) for raw in raws.values())
    skeleton, at = bytearray(), 0
    for start, length in spans:
        skeleton += bytes(content[at:start]) + b"0"
        at = start + length
    skeleton += bytes(content[at:])
    pairs: list[tuple[str, Any]] = json.loads(skeleton, object_pairs_hook=lambda found: found)
    return sorted(key for key, number in Counter(key for key, _ in pairs).items() if number > 1)
