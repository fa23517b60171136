"""plan: what publishing would change, table by table and key by key; the target is only read."""

from __future__ import annotations

from pathlib import Path

from mock2pg import history, postgres
from mock2pg.errors import PublishFailed
from mock2pg.pipeline.sessions import session
from mock2pg.publishing import alteration, plan_fingerprint
from mock2pg.publishing.merge import Merge
from mock2pg.runs import Run
from mock2pg.settings import listed
from mock2pg.step_results import Loaded, Planned, PlannedDifference, Staged, encode
from mock2pg.text import counted

KEYS = 20  # of the rows to insert, update and delete, in each table


def run(run: Run) -> Planned:
    """Write plan.json, which `migrate --plan` takes. Raises PublishFailed when target tables cannot be merged into."""
    settings, schema = run.settings, run.settings.target_schema
    staged, loaded = run.require(Staged), run.require(Loaded)
    tables = run.tables()
    with (
        session(run, "plan", read_only=True) as connection,
        postgres.named(PublishFailed, "cannot plan"),
        connection.transaction(),
    ):
        postgres.distribution.begin_for(connection, tables, settings.lock_timeout)
        postgres.scratch.require_built(connection, loaded.built)
        pending = alteration.pending(connection, schema, tables, history.owned(connection, schema))
        alterations = pending if settings.alter else {}
        merge = Merge(connection, postgres.scratch.NEXT, schema, tables, alterations)
        keys, columns, differences = merge.keys(KEYS), merge.columns(), merge.differences
        fingerprints = plan_fingerprint.fingerprints(connection, schema, tables, differences, alterations)
    locks = plan_fingerprint.locks(tables, differences, alterations)
    statements = {name: tuple(alteration.statements) for name, alteration in pending.items()}
    planned = {
        name: PlannedDifference(
            difference.before,
            difference.after,
            difference.inserted,
            difference.updated,
            difference.deleted,
            difference.created,
            lock=locks[name],
            keys={kind: tuple(shown) for kind, shown in keys[name].items()},
            columns=columns[name],
        )
        for name, difference in differences.items()
    }
    run.write(
        "plan.json",
        {
            "run_id": run.id,
            "schema": schema,
            "input_sha256": staged.sha256,
            "mode": settings.mode,
            "alter": settings.alter,
            "contracts_sha256": loaded.contracts_sha256,
            "fingerprints": fingerprints,
            "tables": encode(planned),
            "statements": statements,
        },
    )
    sums = {
        key: sum(getattr(difference, key) for difference in differences.values())
        for key in ("inserted", "updated", "deleted")
    }
    return Planned(
        summary=", ".join(f"{counted(number, 'row')} to be {key}" for key, number in sums.items()),
        tables=planned,
        alter=settings.alter,
        statements=statements,
        file=f"runs/{run.id}/plan.json",
        arguments=tuple(_arguments(run)),
    )


def _arguments(run: Run) -> list[str]:
    """Return the arguments that make `mock2pg` publish just this: the source, and every option not at its default."""
    settings, given = run.settings, []
    for name in ("mode", "on_error", "max_refused", "max_deleted", "confirm"):
        if getattr(settings, name) != type(settings).model_fields[name].default:
            given += [f"--{name.replace('_', '-')}", getattr(settings, name)]
    for option, names in (("--allow-empty", settings.allow_empty), ("--allow-cascade", settings.allow_cascade)):
        given += [part for name in listed(names) for part in (option, name)]
    source = [str(run.source)] if isinstance(run.source, Path) else []
    return ["migrate", *source, *given, *(["--alter"] if settings.alter else []), "--plan", str(run.path("plan.json"))]
