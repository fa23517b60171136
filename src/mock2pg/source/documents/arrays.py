"""The arrays of a source, one file each, with a note of where each was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mock2pg.source.documents.locations import ORIGINS, Origin
from mock2pg.source.documents.scanner import PLAIN


class Arrays:
    """The folder `into`, which is for its owner alone."""

    def __init__(self, into: Path, entities: Sequence[str]) -> None:
        into.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.files: dict[str, Path] = {}
        self._into, self._entities = into, entities
        self._origins: dict[str, Origin] = {}
        self._digests: dict[str, tuple[int, bytes]] = {}

    @property
    def source(self) -> Path:
        """Return the file that holds the text of a whole document."""
        return self._into / ".source"

    def place(self, entity: str) -> Path:
        """The file of an entity. A key of the input may not choose a path: only a plain name becomes a file's."""
        return self._into / f"{entity if PLAIN.fullmatch(entity) else self._entities.index(entity)}.json"

    def write(self, entity: str, content: bytes | memoryview, **origin: Any) -> None:
        """Make the file of an entity."""
        self.place(entity).touch(mode=0o600)
        self.place(entity).write_bytes(content)
        self.keep(entity, content, **origin)

    def keep(self, entity: str, content: bytes | memoryview, **origin: Any) -> None:
        """Keep the file that is there; `origin` are fields of Origin, `content` what the hash is made of."""
        self.keep_hashed(entity, len(content), hashlib.sha256(content).digest(), **origin)

    def keep_hashed(self, entity: str, size: int, sha256: bytes, **origin: Any) -> None:
        self.files[entity] = self.place(entity)
        self._origins[entity] = Origin(self.place(entity).name, **origin)
        self._digests[entity] = size, sha256

    def finish(self) -> tuple[str, ...]:
        """Give the entities that were not read an empty array, and write the origins down; returns them."""
        unread = tuple(entity for entity in self._entities if entity not in self.files)
        for entity in unread:
            self.write(entity, b"[]")
            del self._digests[entity]
        origins = {entity: asdict(origin) for entity, origin in self._origins.items()}
        (self._into / ORIGINS).write_text(json.dumps(origins), encoding="utf-8")
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
