"""preflight: lists everything that prevents publishing the built rows; the target is only read."""

from __future__ import annotations

from functools import partial

from mock2pg import postgres
from mock2pg.backups import snapshot
from mock2pg.errors import PreflightFailed
from mock2pg.pipeline import known_backup
from mock2pg.pipeline.sessions import session
from mock2pg.publishing import deletion_limits
from mock2pg.publishing.preflight import Backups, look, look_at_held, refuse
from mock2pg.runs import Run
from mock2pg.step_results import Loaded, Preflighted, Staged
from mock2pg.text import counted


def run(run: Run, purpose: str = "migrate") -> Preflighted:
    """Raise PreflightFailed with every conflict. `purpose` "plan": the role need not be allowed to write."""
    settings = run.settings
    staged, loaded = run.require(Staged), run.require(Loaded)
    tables = run.tables()
    backups = Backups(settings.backups_dir, partial(known_backup.is_to_be_written, run))
    with (
        session(run, "preflight") as connection,
        postgres.named(PreflightFailed, "cannot read the target tables"),
        postgres.repeatable_read(connection),
    ):
        postgres.distribution.begin_for(connection, tables, settings.lock_timeout)
        compared = snapshot.horizon(connection, settings.target_schema)
        if loaded.built_by:
            preflight = look_at_held(connection, settings.target_schema, tables, loaded.built, backups=backups)
        else:
            postgres.scratch.require_built(connection, loaded.built)
            preflight = look(
                connection,
                postgres.scratch.NEXT,
                settings.target_schema,
                tables,
                deletion_limits.DeletionLimits.of(settings, staged.tables),
                backups=backups,
                alter=settings.alter,
                writes=purpose != "plan",
            )
    refuse(preflight.findings, settings.target_schema)
    kept = sum(preflight.kept_keys.values())
    differences = preflight.differences or {}
    there = sum(not difference.created for difference in differences.values())
    return Preflighted(
        summary=f"no conflicts: {there} of {counted(len(tables), 'table')} exist"
        + (f"; {counted(kept, 'row')} found by another key than the primary key, which stays" if kept else ""),
        cautions=preflight.cautions,
        kept_keys=preflight.kept_keys,
        compared=compared,
        held={name: differences[name].before for name in preflight.held},
        writes=tuple(name for name, each in differences.items() if each.changed and not each.created),
    )
