"""stage: cuts the JSON source into arrays and makes typed tables of them, each row with its position."""

from __future__ import annotations

import shutil

from mock2pg.errors import InternalError
from mock2pg.runs import Run, StepResult
from mock2pg.tools import dbt_project, documents, staging


def run(run: Run) -> StepResult:
    """Raises SourceError when the source is not JSON or not of the declared shape."""
    tables = dbt_project.sources(run.settings.dbt_dir)
    if run.source is None:
        raise InternalError("a run without a source cannot be staged")
    cut = run.folder / "arrays"
    try:
        document = documents.read(run.source, list(dict.fromkeys(table.entity for table in tables)), cut)
        database = run.path("staging.duckdb")
        counts = staging.stage(database, document.arrays, tables)
        database.chmod(0o600)
    finally:
        shutil.rmtree(cut, ignore_errors=True)
    return StepResult(
        step="stage",
        summary=f"{sum(counts.values())} rows of {len(document.arrays)} entities from {run.source_label}",
        data={
            "source": run.source_label,
            "sha256": document.sha256,
            "bytes": document.bytes,
            "tables": {
                table.name: {"rows": counts[table.name], "path": table.path, "entity": table.entity} for table in tables
            },
        },
    )
