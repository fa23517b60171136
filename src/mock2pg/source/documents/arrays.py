"""The arrays of a source, one file each, with a note of where each was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mock2pg.source.documents.locations import LOCATIONS, ArrayLocation
from mock2pg.source.documents.scanner import PLAIN


class Arrays:
    """The folder `into`, which is for its owner alone."""

    def __init__(self, into: Path, entities: Sequence[str]) -> None:
        into.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.files: dict[str, Path] = {}
        self._into, self._entities = into, entities
        self._locations: dict[str, ArrayLocation] = {}
        self._digests: dict[str, tuple[int, bytes]] = {}

    @property
    def source(self) -> Path:
        """Return the file that holds the text of a whole document."""
        return self._into / ".source"

    def place(self, entity: str) -> Path:
        """The file of an entity. A key of the input may not choose a path: only a plain name becomes a file's."""
        return self._into / f"{entity if PLAIN.fullmatch(entity) else self._entities.index(entity)}.json"

    def write(self, entity: str, content: bytes | memoryview, **location: Any) -> None:
        """Make the file of an entity."""
        self.place(entity).touch(mode=0o600)
        self.place(entity).write_bytes(content)
        self.keep(entity, content, **location)

    def keep(self, entity: str, content: bytes | memoryview, **location: Any) -> None:
        """Keep the file that is there; `location` are fields of ArrayLocation, `content` what the hash is made of."""
        self.keep_hashed(entity, len(content), hashlib.sha256(content).digest(), **location)

    def keep_hashed(self, entity: str, size: int, sha256: bytes, **location: Any) -> None:
        self.files[entity] = self.place(entity)
        self._locations[entity] = ArrayLocation(self.place(entity).name, **location)
        self._digests[entity] = size, sha256

    def finish(self) -> tuple[str, ...]:
        """Give the entities that were not read an empty array, and write the locations down; return the entities."""
        unread = tuple(entity for entity in self._entities if entity not in self.files)
        for entity in unread:
            self.write(entity, b"[]")
            del self._digests[entity]
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
