"""Compare the files that init wrote with those it would write now. An edited file is shown, never overwritten."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from mock2pg import files
from mock2pg.errors import ProjectError, UsageError
from mock2pg.init.writing.data import FOLDER
from mock2pg.text import lines

RECORD = ".mock2pg-init.json"
LOCAL = "local.mk"  # of this machine


@dataclass(frozen=True)
class Changed:
    """One file that init would write differently now.

    act   "written", "new", "removed": done; "edited": a person changed it, so it is as it was; "deleted": by a person
    diff  from the file to what init would write; empty for data, whose values are nobody's to print
    """

    file: str
    act: str
    diff: str = ""


@dataclass(frozen=True)
class Record:
    """A record of what init wrote: the name of the project, and the SHA-256 of each file.

    from_target  names and types are those of a database's tables
    """

    name: str
    written: Mapping[str, str]
    from_target: bool = False

    def write(self, project: Path) -> None:
        """Write it into the project. Raises OSError."""
        found = {"name": self.name, "from_target": self.from_target, "written": dict(sorted(self.written.items()))}
        text = json.dumps(found, indent=1) + "\n"
        files.write(project / RECORD, text.encode())


def written(name: str, project: Path, *, from_target: bool = False) -> Record:
    """Return the record of a folder that init has just written."""
    sums = {file: _sha256(project / file) for file in _names(project) if file not in (LOCAL, RECORD)}
    return Record(name, sums, from_target)


def read(project: Path) -> Record:
    """Return what init wrote into a project. Raises UsageError where it made none."""
    try:
        found = json.loads((project / RECORD).read_text(encoding="utf-8"))
        if any(PurePath(file).is_absolute() or ".." in PurePath(file).parts for file in found["written"]):
            raise ValueError
        sums = {str(file): str(sha256) for file, sha256 in found["written"].items()}
        return Record(str(found["name"]), sums, bool(found.get("from_target")))
    except OSError:
        raise UsageError(
            f"init did not make {project}: it has no {RECORD}",
            hint="Name the folder of a project that init made, or make a new one: leave out --update.",
        ) from None
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ProjectError(f"{project / RECORD} cannot be read", hint="Restore it from git.") from None


def update(project: Path, wanted: Path) -> list[Changed]:
    """Bring the project to what is in the folder `wanted`, but for what a person edited or deleted."""
    known = read(project)
    before, now = known.written, written(known.name, wanted).written
    after: dict[str, str] = {}
    changes = []
    for name in sorted(before.keys() | now.keys()):
        change = _change(project, wanted, name, before.get(name))
        if change:
            changes.append(change)
        if change and change.act in ("edited", "deleted"):
            after[name] = before.get(name, "")
        elif name in now:
            after[name] = now[name]
    Record(known.name, after, known.from_target).write(project)
    return changes


def _change(project: Path, wanted: Path, name: str, before: str | None) -> Changed | None:
    """Write, remove or leave one file."""
    mine, new = project / name, wanted / name
    there = _sha256(mine) if mine.is_file() else None
    if new.is_file() and there == _sha256(new):
        return None
    if mine.resolve() != project.resolve() / name:  # a link of a person's, perhaps out of the project
        return Changed(name, "edited")
    diff = "" if name.startswith(f"{FOLDER}/") else _diff(name, mine, new)
    if there is None:
        if before is not None:
            return Changed(name, "deleted") if new.is_file() else None
        act = "new"
    elif there != before:
        return Changed(name, "edited", diff) if new.is_file() or before else None
    else:
        act = "written" if new.is_file() else "removed"
    if act == "removed":
        mine.unlink()
    else:
        mine.parent.mkdir(parents=True, exist_ok=True)
        files.write(mine, new.read_bytes())
    return Changed(name, act, diff)


def _diff(name: str, mine: Path, new: Path) -> str:
    old, wanted = (file.read_text(encoding="utf-8", errors="replace") if file.is_file() else "" for file in (mine, new))
    sides = (f"a/{name}" if old else "/dev/null", f"b/{name}" if wanted else "/dev/null")
    found = difflib.unified_diff(old.splitlines(), wanted.splitlines(), *sides, lineterm="")
    return lines("\n".join(found))


def _names(folder: Path) -> Iterator[str]:
    return (file.relative_to(folder).as_posix() for file in sorted(folder.rglob("*")) if file.is_file())


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
