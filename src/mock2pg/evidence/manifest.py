"""manifest.json: the SHA-256 of every file in a run's folder, and a checksum of its own."""

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
_LAST = '"checksum": "sha256:'  # the checksum is over every byte before it
_KEYS = {"format", "run_id", "runs_folder", "sealed_at", "files", "backups"}
_OURS = ("__pycache__", "target", "logs")  # what running the code leaves beside it


@dataclass(frozen=True)
class Manifest:
    """A manifest in a run's folder.

    sha256       of the file, as the database stores it
    runs_folder  an id that all manifests of one folder of runs share
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
    """A manifest that is damaged; the text gives the reason."""


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
    """Read the manifest. Raises FileNotFoundError, and Damaged when its checksum does not match."""
    try:
        text = (folder / NAME).read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Damaged(f"cannot be read: {error.strerror}") from error
    try:
        content = json.loads(text)
        content.pop("checksum")
        valid = _text(content) == text
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        valid = False
    if not valid:
        raise Damaged("is damaged: its checksum does not match")
    if content.get("format") != FORMAT or not content.keys() >= _KEYS:
        raise Damaged("has a format that this version does not know")
    return Manifest(content, hashlib.sha256(text).hexdigest())


def digest(file: Path) -> dict[str, Any]:
    """Return sha256 and bytes of a file. Raises OSError, also when it is no regular file: a link may lead anywhere."""
    with open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
        found = os.fstat(stream.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "it is not a regular file")
        return {"sha256": hashlib.file_digest(stream, "sha256").hexdigest(), "bytes": found.st_size}


def files(folder: Path) -> Iterator[str]:
    """Yield the paths of all files in the folder except the manifest; sorted, with `/` between their parts."""
    found = []
    for place, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        found += [(Path(place) / name).relative_to(folder).as_posix() for name in [*names, *links]]
    yield from sorted(set(found) - {NAME, UNSEALED})


def tree(folder: Path) -> str:
    """Return the SHA-256 of the output of `sha256sum` for every file of the folder, in the order of their names.

    Hidden files, and files that running the code leaves there, do not count.
    """
    lines = []
    for name in _through_links(folder):
        if not any(part.startswith(".") or part in _OURS for part in name.split("/")):
            lines.append(f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n")
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _through_links(folder: Path) -> Iterator[str]:
    """Yield the paths of all files, through links to folders, too, as dbt reads a project."""
    found = [Path(place, name) for place, _, names in os.walk(folder, followlinks=True) for name in names]
    yield from sorted(file.relative_to(folder).as_posix() for file in found)


def _text(content: Mapping[str, Any]) -> bytes:
    """Return one line per entry of the top level; the last holds the SHA-256 of every byte before it."""
    body = json.dumps({**content, "checksum": "sha256:"}, indent=1)
    before = body[: body.rindex(_LAST)]
    return f'{before}{_LAST}{hashlib.sha256(before.encode()).hexdigest()}"\n}}\n'.encode()
