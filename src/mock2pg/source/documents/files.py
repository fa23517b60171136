"""A folder of files, or one document: copied, checked and decoded, with every fault kept."""

from __future__ import annotations

import hashlib
import mmap
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import msgspec

from mock2pg import progress
from mock2pg.errors import UsageError
from mock2pg.source import presence
from mock2pg.source.documents import spool, strict
from mock2pg.source.documents.cutting import Cutting, Source
from mock2pg.source.documents.faults import DECLARED_ARRAYS, READABLE_SOURCE, STRICT_JSON, Faults, named, shown
from mock2pg.source.documents.json_text import kind_of
from mock2pg.source.documents.locations import address
from mock2pg.source.documents.scanner import Lines
from mock2pg.text import printable

FILE = re.compile(r"(?P<entity>[^.].*)\.(?P<form>json|ndjson|jsonl)(\.gz|\.zst)?")
MEANT = re.compile(r"[^.].*\.(json[5c]?|ndjson|jsonl)(\.(gz|gzip|zst|zstd|bz2|xz|zip|br))?", re.IGNORECASE | re.DOTALL)
_SPACE = b" \t\r\n"


NAMES = "a name is <entity>.json, .ndjson or .jsonl, in lower case and packed as .gz or .zst; rename or remove it"


class Files:
    """The files of a source: copied, checked to be UTF-8 and decoded, with every fault kept.

    files  as they are called in errors -> sha256 and bytes of what was read, before unpacking
    """

    stream = False

    def __init__(self, source: Path, label: str, faults: Faults, unpacking: spool.Unpacking) -> None:
        self.source, self.label, self.faults, self.unpacking = source, label, faults, unpacking
        self.notes: list[str] = []
        self.files: dict[str, dict[str, Any]] = {}

    def spooled(self, source: Path, to: Path, file: str, root: str | None = None) -> mmap.mmap | None:
        """The source's bytes in a file of our own, checked to be UTF-8; None, with a fault, when they are not there."""
        entity = "" if root is None else named((root,))
        progress.detail(file)
        try:
            copied = spool.copy(source, to, self.unpacking, stream=self.stream)
            self.files[file] = {"sha256": copied.sha256, "bytes": copied.bytes}
            if copied.marked:
                self.notes.append(f"{file} begins with a byte order mark, which is not part of JSON and was left out")
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
            self.faults.not_json(fault, text, file, root)
            return None
        return text

    def decoded(self, text: mmap.mmap, kind: Any, file: str, root: str | None = None) -> Any:
        """The text as msgspec's type `kind`; None, with a fault, when it is no JSON."""
        try:
            try:
                return strict.decode(memoryview(text), kind)
            except strict.NotJson:
                if not strict.without_lone_surrogates(text):
                    raise
                return strict.decode(memoryview(text), kind)
        except strict.NotJson as fault:
            self.faults.not_json(fault, text, file, root)
        return None

    def changed(self, file: str) -> None:
        self.faults.add(READABLE_SOURCE, "changed while it was read; run again when nobody writes to it", file=file)

    def rows(self, text: mmap.mmap, file: str, entity: str = "") -> Iterator[tuple[bytes, bytes]]:
        """Yield each line of NDJSON with its row, which is empty where it is blank; of what is no JSON keep a fault."""
        strict.without_lone_surrogates(text)
        for number, line in enumerate(iter(text.readline, b""), start=1):
            row = line.strip(_SPACE)
            try:
                if row:
                    strict.decode(row, msgspec.Raw)
            except strict.NotJson as fault:
                column = Lines(line).place(len(line) - len(line.lstrip(_SPACE)) + fault.offset)[1]
                self.faults.add(STRICT_JSON, fault.reason, entity, file=file, line=number, column=column)
                continue
            yield line, row


class _Cut(Files):
    """Files that are cut into arrays, maps and objects."""

    judged = False  # its keys are known

    def __init__(self, source: Path, label: str, cutting: Cutting, unpacking: spool.Unpacking) -> None:
        super().__init__(source, label, cutting.faults, unpacking)
        self.cutting, self.arrays, self.shape = cutting, cutting.arrays, cutting.shape

    def lines(self, text: mmap.mmap, root: str, file: str) -> None:
        """NDJSON as an array that keeps its lines: `[` before the first row, `,` before each other one."""
        entity, rows, size, digest = named((root,)), 0, 0, hashlib.sha256()
        container = self.cutting.array(root)
        if container is None:
            self.faults.unreadable((root,))
            self.faults.unfit(entity, self.cutting.wanted(root), file=file)
            return
        aside, faults = self.arrays.text(), self.faults.totals.total()
        with aside.open("wb") as out:
            for line, row in self.rows(text, file, entity):
                if row:
                    out.write(b"," if rows else b"[")
                    rows, size = rows + 1, size + len(row) + 1
                    digest.update(row + b"\n")
                out.write(line.rstrip(b"\r\n") + b"\n")
            out.write(b"]" if rows else b"[]")
        self.faults.known.add(container.entity)
        if self.faults.totals.total() == faults:
            aside.chmod(0o600)
            place = self.arrays.place(container.entity)
            aside.replace(place)
            where: dict[str, Any] = {"text": place.name, "counted": True, "file": file, "lines": True}
            self.arrays.keep_hashed(container.entity, size, digest.digest(), **where)


class Folder(_Cut):
    """One file per key of the source."""

    def read(self) -> None:
        before = {file: spool.file_state(file) for file in self._files()}
        for file in sorted(self.source.iterdir()):
            if file not in before and MEANT.fullmatch(file.name):
                self.faults.add(DECLARED_ARRAYS, f"is not read: {NAMES}", file=f"{self.label}/{printable(file.name)}")
        if not before and not self.faults.found:
            raise UsageError(
                f"there is no <entity>.json in {self.source}",
                hint=f"Name a folder with at least one of: {', '.join(f'{root}.json' for root in self.shape.roots)}",
            )
        names, self.judged = {named_after(file) for file in before}, bool(before)
        for file in before:
            self._file(file, names)
        self.faults.missing(lambda root: f"{self.label}/{root}.json")
        for file in spool.changed(before):
            self.changed(f"{self.label}/{printable(file.name)}")
        if set(self._files()) != set(before):
            self.changed(self.label)

    def _files(self) -> list[Path]:
        return sorted(file for file in self.source.iterdir() if FILE.fullmatch(file.name))

    def _file(self, file: Path, there: Collection[str]) -> None:
        root, label = named_after(file), f"{self.label}/{printable(file.name)}"
        if root in self.faults.roots:
            self.faults.add(DECLARED_ARRAYS, "has two files; keep one", shown(root), file=label)
            return
        self.faults.roots.add(root)
        if not self.cutting.declared(root, there, file=label):
            return
        container = self.cutting.array(root)
        place = self.arrays.place(container.entity) if container else self.arrays.text()
        text = self.spooled(file, place, label, root)
        if text is None:
            self.faults.unreadable((root,))
        elif is_lines(file):
            self.lines(text, root, label)
        elif (raw := self.decoded(text, msgspec.Raw, label, root)) is not None:
            self.cutting.root(root, raw, Source(text, place.name, label, alone=True))
        else:
            self.faults.unreadable((root,))


class Single(_Cut):
    """One document: an object whose keys are those of the source, or the value of one of them."""

    def read(self) -> None:
        self.stream = presence.is_stream(self.source)
        before = {self.source: spool.file_state(self.source)}
        place = self.arrays.text()
        text = self.spooled(self.source, place, self.label)
        if spool.changed(before):
            self.changed(self.label)
        if text is None:
            return
        if not self.stream and is_lines(self.source):
            self._one(text, None)
            return
        raw = self.decoded(text, msgspec.Raw, self.label)
        if raw is None:
            return
        if kind_of(raw) == "[" or (kind_of(raw) == "{" and self._is_named(raw)):
            self._one(text, raw, place.name)
        elif kind_of(raw) == "{":
            self.judged = True
            self.cutting.source(raw, Source(text, place.name, self.label))
            self.faults.missing(lambda _: self.label)
        else:
            message, at = "must be an object whose keys are the entities", address(raw) - address(text)
            self.faults.add(DECLARED_ARRAYS, message, file=self.label, at=at, lines=Lines(text))

    def _is_named(self, raw: msgspec.Raw) -> bool:
        """Return whether the object is a map or one row that is declared under the name of the file."""
        root, roots = named_after(self.source), self.shape.roots
        if self.stream or root not in roots or self.cutting.array(root) is not None:
            return False
        return not msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).keys() & set(roots)

    def _one(self, text: mmap.mmap, raw: msgspec.Raw | None, name: str = "") -> None:
        """The value of one key, of that which the file is named after: an array, NDJSON, a map or one row."""
        roots = self.shape.roots
        if self.stream and len(roots) != 1:
            raise UsageError(
                f"{self.label} is an array, and {len(roots)} keys are declared: {', '.join(roots)}",
                hint="Put it into an object, under its key, or into a file that has the key as its name.",
            )
        root = roots[0] if self.stream else named_after(self.source)
        self.judged = True
        self.faults.roots.add(root)
        if self.cutting.declared(root, (root,), file=self.label):
            if raw is None:
                self.lines(text, root, self.label)
            else:
                self.cutting.root(root, raw, Source(text, name, self.label, alone=True))
        self.faults.missing(lambda _: self.label)


def is_lines(file: Path) -> bool:
    """Return whether the name is that of NDJSON."""
    name = FILE.fullmatch(file.name)
    return name is not None and name["form"] != "json"


def named_after(file: Path) -> str:
    """Return the key that a file is named after."""
    name = FILE.fullmatch(file.name)
    return name["entity"] if name else file.name.partition(".")[0]
