"""The rows of a source, one file for each of its arrays, maps and objects, with a note of where each was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mock2pg.source.documents.locations import LOCATIONS, ArrayLocation
from mock2pg.source.documents.scanner import PLAIN

Bytes = bytes | memoryview


class Arrays:
    """The folder `into`, which is for its owner alone."""

    def __init__(self, into: Path, entities: Sequence[str]) -> None:
        into.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.files: dict[str, Path] = {}
        self._into, self._entities, self._texts = into, entities, 0
        self._locations: dict[str, ArrayLocation] = {}
        self._digests: dict[str, tuple[int, bytes]] = {}

    def text(self) -> Path:
        """Return a new name for the text of a document."""
        self._texts += 1
        return self._into / f".source-{self._texts}"

    def place(self, entity: str) -> Path:
        """The file of an entity. A key of the input may not choose a path: only a plain name becomes a file's."""
        return self._into / f"{entity if PLAIN.fullmatch(entity) else self._entities.index(entity)}.json"

    def write(self, entity: str, *content: Bytes) -> None:
        """Make the file of an entity: an array of its rows."""
        write(self.place(entity), content)

    def keys(self, entity: str, keys: Iterable[str]) -> None:
        """Make a file of the keys of a map, whose values are the rows."""
        write(keys_of(self.place(entity)), [json.dumps(list(keys)).encode()])

    def keep(self, entity: str, content: Bytes, **location: Any) -> None:
        """Keep the file that is there; `location` are fields of ArrayLocation, `content` what the hash is made of."""
        self.keep_hashed(entity, memoryview(content).nbytes, hashlib.sha256(content).digest(), **location)

    def keep_hashed(self, entity: str, size: int, sha256: bytes, **location: Any) -> None:
        self.files[entity] = self.place(entity)
        self._locations[entity] = ArrayLocation(**location)
        self._digests[entity] = size, sha256

    def finish(self) -> tuple[str, ...]:
        """Give the entities that were not read an empty array, and write the locations down; return the entities."""
        unread = tuple(entity for entity in self._entities if entity not in self.files)
        for entity in unread:
            self.write(entity, b"[]")
            self.keys(entity, ())
            self.files[entity] = self.place(entity)
            self._locations[entity] = ArrayLocation(self.place(entity).name, length=2)
        locations = {entity: asdict(location) for entity, location in self._locations.items()}
        (self._into / LOCATIONS).write_text(json.dumps(locations), encoding="utf-8")
        return unread

    @property
    def bytes(self) -> int:
        return sum(size for size, _ in self._digests.values())

    @property
    def sha256(self) -> str:
        digest = hashlib.sha256()
        for entity, (size, content) in sorted(self._digests.items()):
            digest.update(f"{entity}\0{size}\0".encode() + content)
        return digest.hexdigest()


def keys_of(array: Path) -> Path:
    """The file of a map's keys, beside that of its values."""
    return array.with_suffix(".keys")


def write(file: Path, content: Iterable[Bytes]) -> None:
    file.touch(mode=0o600)
    with file.open("wb") as out:
        out.writelines(content)
