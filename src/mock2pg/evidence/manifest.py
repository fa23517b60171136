"""manifest.json: the SHA-256 of everything that a run left, in a file that proves that it is whole."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAME = "manifest.json"
UNSEALED = f"{NAME}.unsealed"  # is there from the beginning of a run, and becomes the manifest
FORMAT = "mock2pg-manifest/2"
_LAST = '"checksum": "sha256:'  # what stands before it is what it is over
_KEYS = {"format", "run_id", "runs_folder", "sealed_at", "files", "backups"}
_OURS = ("__pycache__", "target", "logs")  # what running the code leaves beside it


@dataclass(frozen=True)
class Manifest:
    """A manifest as it lies in a run's folder.

    sha256       of the file, as the database quotes it
    runs_folder  an id that all manifests of one folder of runs have
    """

    content: Mapping[str, Any]
    sha256: str

    @property
    def run_id(self) -> str:
        return str(self.content["run_id"])

    @property
    def runs_folder(self) -> str:
        return str(self.content["runs_folder"])


class Damaged(Exception):
    """A manifest that is not whole; its text says in what."""


def write(folder: Path, content: Mapping[str, Any]) -> Manifest:
    """Write the manifest aside and rename it. Raises OSError."""
    text = _text(content)
    aside = folder / UNSEALED
    with aside.open("wb") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    aside.replace(folder / NAME)
    return Manifest(content, hashlib.sha256(text).hexdigest())


def read(folder: Path) -> Manifest:
    """Raises FileNotFoundError, and Damaged when a byte of it is not what was written."""
    try:
        text = (folder / NAME).read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Damaged(f"cannot be read: {error.strerror}") from error
    try:
        content = json.loads(text)
        content.pop("checksum")
        whole = _text(content) == text
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        whole = False
    if not whole:
        raise Damaged("is damaged: its checksum does not hold")
    if content.get("format") != FORMAT or not content.keys() >= _KEYS:
        raise Damaged("has a format that this version does not know")
    return Manifest(content, hashlib.sha256(text).hexdigest())


def digest(file: Path) -> dict[str, Any]:
    """sha256 and bytes of a file. Raises OSError, also for what is no file of its own: a link may lead anywhere."""
    with open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
        found = os.fstat(stream.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "it is no file")
        return {"sha256": hashlib.file_digest(stream, "sha256").hexdigest(), "bytes": found.st_size}


def files(folder: Path) -> Iterator[str]:
    """The paths of everything in the folder but folders, the manifest and what becomes it; sorted, with `/` between."""
    found = []
    for place, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        found += [(Path(place) / name).relative_to(folder).as_posix() for name in [*names, *links]]
    yield from sorted(set(found) - {NAME, UNSEALED})


def tree(folder: Path) -> str:
    """The SHA-256 of what `sha256sum` prints of every file of the folder, in the order of their names.

    Hidden files, and what running the code leaves there, do not count.
    """
    lines = []
    for name in files(folder):
        if not any(part.startswith(".") or part in _OURS for part in name.split("/")):
            lines.append(f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n")
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _text(content: Mapping[str, Any]) -> bytes:
    """One line per entry of the top; the last holds the SHA-256 of every byte before it."""
    body = json.dumps({**content, "checksum": "sha256:"}, indent=1)
    before = body[: body.rindex(_LAST)]
    return f'{before}{_LAST}{hashlib.sha256(before.encode()).hexdigest()}"\n}}\n'.encode()
