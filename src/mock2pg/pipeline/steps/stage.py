"""stage: cuts the JSON source into arrays and makes typed tables of them, each row with its position."""

from __future__ import annotations

import hashlib
import shlex
from pathlib import Path

from mock2pg import build
from mock2pg.errors import InternalError, SourceError
from mock2pg.json_paths import Mark
from mock2pg.pipeline import known_build
from mock2pg.runs import Run
from mock2pg.settings import unpacked
from mock2pg.source import documents, staging
from mock2pg.source_shape import source_shape
from mock2pg.step_results import FaultTotal, SourceFile, Staged, StagedTable, encode
from mock2pg.text import counted


def run(run: Run) -> Staged:
    """Stage the source. Raises SourceError when nothing of it could be read; other faults are left to the check.

    The arrays stay beside the staged tables, so that an error can point into the source.
    """
    project_sha256 = known_build.project_sha256(run.settings)  # before anything of the project is read
    tables = build.sources(run.settings.dbt_dir)
    if run.source is None:
        raise InternalError("a run without a source cannot be staged")
    shape = source_shape(tables)
    entities = shape.entities
    document = documents.read(
        run.source,
        shape,
        run.folder / "arrays",
        label=run.source_label or "",
        undeclared=run.settings.unknown_fields,
        missing="leave" if run.settings.mode == "upsert" else "refuse",
        limit=run.settings.max_errors_per_rule,
        unpacking=documents.Unpacking(*unpacked(run.settings.max_unpacked)),
    )
    totals = tuple(FaultTotal(rule, severity, number) for (rule, severity), number in document.totals.items())
    if not document.fits:
        named = shlex.quote(str(run.source)) if isinstance(run.source, Path) else "SOURCE"
        raise SourceError(
            f"{run.source_label} holds nothing that _sources.yml declares: {', '.join(shape.roots)}",
            hint=f"Run `mock2pg init {named} --into FOLDER`: it makes a project for it.",
        )
    if document.faults and len(document.unread) + len(document.absent) == len(entities):
        run.write(
            "errors.json",
            {"errors": encode(document.faults), "totals": {t.rule: t.number for t in totals}, "capped": {}},
        )
        number = sum(document.totals.values())
        raise SourceError(f"{counted(number, 'error')} in the source itself", document.faults)
    database = run.folder / "staging.duckdb"
    counts = staging.stage(database, document.arrays, tables, document.constants, memory=run.settings.staging_memory)
    database.chmod(0o600)
    read = len(entities) - len(document.absent)
    arrays = all(container.mark is Mark.ELEMENT for container in shape.containers)
    entries = counted(read, "array") if arrays else f"{read:,} {'entity' if read == 1 else 'entities'}"
    unread = f", {len(document.unread)} could not be read" if document.unread else ""
    return Staged(
        summary=f"{counted(sum(counts.values()), 'row')} of {entries} from {run.source_label}{unread}",
        notes=(*document.notes, *(f"{entity} is not in the source: left alone" for entity in document.absent)),
        source=run.source_label,
        sha256=document.sha256,
        files={file: SourceFile(**read) for file, read in document.files.items()},
        bytes=document.bytes,
        unread=document.unread,
        absent=document.absent,
        faults=document.faults,
        fault_totals=totals,
        tables={table.name: StagedTable(counts[table.name], table.path, table.entity) for table in tables},
        rest_sha256=_rest_sha256(document, run.folder / "arrays"),
        project_sha256=project_sha256,
    )


def _rest_sha256(document: documents.Document, arrays: Path) -> str:
    found = hashlib.sha256(repr(sorted(document.constants.items())).encode())
    for file in sorted(arrays.glob("*.keys")):
        content = file.read_bytes()
        found.update(f"\0{file.name}\0{len(content)}\0".encode() + content)
    return found.hexdigest()
