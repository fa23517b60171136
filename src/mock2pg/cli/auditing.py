"""The commands of an auditor and of the owner of the database."""

from __future__ import annotations

import click

from mock2pg.cli.completing import run_ids
from mock2pg.cli.root import command
from mock2pg.cli.verb import service, verb
from mock2pg.errors import EvidenceBroken, UsageError
from mock2pg.report.output import say_json


@command.command("verify-evidence", section="Audit", fails=(EvidenceBroken,))
@click.argument("run_id", required=False, shell_complete=run_ids)
@click.option("--all", "every", is_flag=True, help="Verify every run, and report runs whose folder is gone.")
@verb
def verify_evidence(run_id: str | None, every: bool, as_json: bool) -> None:
    """Verify the folders of runs against their manifests.

    Verifies the folder of RUN_ID, or of the newest run, against its manifest, the runs before and after it, and what
    the database knows. Reads only. The Make target looks at all runs, or at RUN=... docs/evidence.md says what is
    found.

    Examples:
        mock2pg verify-evidence
        mock2pg verify-evidence 2026-11-22T10-30-00-000Z
        mock2pg verify-evidence --all
    """
    from mock2pg.report.terminal import show_evidence

    if run_id and every:
        raise UsageError("a run and --all are both given", hint="Name a run, or look at all of them.")
    show_evidence(service().verify_evidence(run_id, every=every), as_json)


@command.command("init-roles", section="Audit")
@click.option("--migrator", default="mock2pg_migrator", metavar="ROLE", help="The role that migrates.")
@click.option("--auditor", default="mock2pg_auditor", metavar="ROLE", help="The role that only reads.")
@verb
def init_roles(migrator: str, auditor: str, as_json: bool) -> None:
    """Print SQL for a migrating and an auditing role.

    For psql, to be run by the owner of the database or a superuser; no database is contacted. The migrator may plan and
    migrate into tables that are there and take backups; the auditor may verify and only read. The SQL also makes the
    schemas that mock2pg needs. Run it again when tables were added, or after an update of mock2pg: it also upgrades the
    tables of schema mock2pg, which the migrator may not alter.

    Examples:
        mock2pg init-roles | psql -v ON_ERROR_STOP=1 app
        mock2pg init-roles --migrator deploy --auditor audit
    """
    statements = service().init_roles(migrator, auditor)
    if as_json:
        say_json({"success": True, "sql": statements})
    else:
        click.echo(statements, nl=False)  # to the letter: psql reads it
