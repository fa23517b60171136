"""A project from a document: what its values show, and the files that declare it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mock2pg import private
from mock2pg.errors import SourceError, UsageError
from mock2pg.init.conclusions import Conclusions
from mock2pg.init.writing import data, placing, project, update
from mock2pg.source import modules, presence
from mock2pg.source.documents import spool
from mock2pg.text import printable


@dataclass(frozen=True)
class Initialised:
    """A project that was written or updated.

    project      its folder
    conclusions  what it was written from
    changes      of an update: each file that init would write differently
    notes        what was accepted and should be known, one sentence each
    """

    project: Path
    conclusions: Conclusions
    changes: tuple[update.Changed, ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of it: what was concluded of each table, and what a person should look at."""
        return {
            "success": True,
            "project": str(self.project),
            "source": self.conclusions.source,
            "tables": [
                {
                    "name": entity.name,
                    "path": entity.table.path,
                    "rows": entity.rows,
                    "columns": {column.name: column.target_type for column in entity.columns},
                    "primary_key": list(entity.primary_key),
                    "references": [asdict(key) for key in entity.references],
                }
                for entity in self.conclusions.entities
            ],
            "doubts": [asdict(doubt) for doubt in self.conclusions.doubts],
            "left_out": [asdict(doubt) for doubt in self.conclusions.left_out],
            "database": [asdict(doubt) for doubt in self.conclusions.database],
            "notes": list(self.notes),
            "changes": [asdict(change) for change in self.changes],
        }


def init(
    source: Path | str,
    into: Path | str,
    *,
    name: str = "",
    updating: bool = False,
    completed: Callable[[Conclusions], Conclusions] | None = None,
) -> Initialised:
    """Write a project that migrates a source, or update the one that is there.

    source     a folder of JSON or NDJSON files, one document, a module that exports plain data, or "-"
    into       a folder that is empty or not there yet; with `updating`, a project that init made
    name       of the project; that of its folder if empty
    completed  makes the conclusions into those of the tables that an existing database has

    Raises UsageError, or SourceError when the source cannot be read. A failure leaves no file.
    """
    source, into = Path(source), Path(into).resolve()
    label = "standard input" if source == presence.STANDARD_INPUT else source.resolve().name
    if updating:
        name = name or update.read(into).name
    else:
        placing.refuse_full(into)
    with private.folder() as work:
        before = _states(source)
        read, notes = _readable(source, work)
        found = _conclude(read, label, source)
        if completed:
            found = completed(found)
        if not found.entities:
            raise SourceError(
                f"{source} holds nothing that could be a table",
                hint="Name a source with an array of objects, or an object.",
            )
        with placing.aside(into) as aside:
            _write(aside, read, found, name or into.name)
            if _states(source) != before:
                raise SourceError(
                    f"{_shown(source)} changed while it was read",
                    hint="Run the command again when nobody writes to it.",
                )
            if updating:
                return Initialised(into, found, tuple(update.update(into, aside)), notes)
            (aside / update.LOCAL).write_text(project.made_by(), encoding="utf-8")
            update.written(name or into.name, aside, from_target=completed is not None).write(aside)
            placing.move(aside, into)
    return Initialised(into, found, notes=notes)


def _states(source: Path) -> dict[Path, tuple[int, ...]]:
    """Return the state of each file of the source, to notice a change."""
    files = [file for file in source.iterdir() if file.is_file()] if source.is_dir() else [source]
    return {file: spool.file_state(file) for file in files}  # not of the folder, which the project may be written in


def _shown(source: Path) -> str:
    """Return the name of the source in errors."""
    return "standard input" if presence.is_stream(source) else printable(str(source))


def _conclude(read: Path, name: str, source: Path) -> Conclusions:
    from mock2pg.init.concluding.conclude import conclude  # only here is it needed, and takes time to load

    return conclude(read, name=name, label=_shown(source), alone=read == source)


def _readable(source: Path, work: Path) -> tuple[Path, tuple[str, ...]]:
    """Return the source as JSON: itself, or what it was made into."""
    if presence.is_stream(source):
        spool.copy(source, copied := work / "standard_input.json", spool.UNPACKING, stream=True)
        return copied, ()
    if modules.is_module(source):
        made = modules.exported(source)
        if not made.data:
            raise SourceError(
                f"{printable(str(source))} exports no data",
                hint="Name the module that exports the data, or the folder that such modules are in.",
            )
        document = work / f"{source.resolve().name.partition('.')[0]}.json"
        text = json.dumps(made.data, ensure_ascii=False, indent=2) + "\n"
        document.write_bytes(text.encode(errors="backslashreplace"))  # half a surrogate pair, which the check refuses
        return document, made.notes
    if not source.exists():
        raise UsageError(f"there is no source at {source}", hint="Name a folder of JSON files, or one document.")
    return source, ()


def _write(folder: Path, source: Path, found: Conclusions, name: str) -> None:
    where = data.copy(source, folder, whole=found.whole)
    for file, text in project.files(found, name, where).items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text, encoding="utf-8")
