"""The database that a run works on: where it is, whether it may be changed, and one run at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pydantic import SecretStr

from mock2pg import backups, postgres, progress
from mock2pg.errors import DatabaseError, Mock2pgError, UsageError
from mock2pg.history import events, layout
from mock2pg.log import log
from mock2pg.pipeline import prune_backups, recovery
from mock2pg.pipeline.record import Record
from mock2pg.pipeline.sessions import session
from mock2pg.postgres.server import Server
from mock2pg.runs import Run, all_runs, now
from mock2pg.settings import Settings
from mock2pg.step_results import Database, Staged

EMBEDDED_DATABASE = "mock2pg"
Ask = Callable[[str], str]


def url(settings: Settings) -> str:
    """The target's connection string; the embedded server is started when DATABASE_URL is unset."""
    return start_embedded(settings) if settings.database_url is None else settings.url


def database(settings: Settings) -> str:
    """The name of the target database, as far as the settings say it."""
    return EMBEDDED_DATABASE if settings.database_url is None else postgres.database_name(settings.url)


def has_database(settings: Settings) -> bool:
    """Return whether there is a database without making one: the embedded server's is made by the first run."""
    return settings.database_url is not None or settings.postgres_dir.exists()


def start_embedded(settings: Settings) -> str:
    """Start the embedded server unless it runs; returns the URL of its database, which is made if need be."""
    server = Server(settings.postgres_dir)
    url = server.url(EMBEDDED_DATABASE)
    ran = server.status().running
    postgres.ensure_database(server.start(), EMBEDDED_DATABASE)
    if not ran:
        log.info("Started PostgreSQL %s: %s", server.status().version, url)
    return url


def with_url(run: Run, record: Record) -> Run:
    """The run with the target's connection string in its settings."""
    with progress.of_step(run.folder, "connect", now()):
        progress.detail("starting PostgreSQL" if run.settings.database_url is None else "")
        where = url(run.settings)
    record.url = where
    given = run.settings.database_url or SecretStr(where)
    changed = {"database_url": given, **_key(run.settings, record)}
    return Run(run.id, run.settings.model_copy(update=changed), run.source)


@contextmanager
def exclusive(run: Run, record: Record) -> Iterator[None]:
    """Keep other runs off the database while the block runs, and remove leftovers of interrupted runs first."""
    with postgres.advisory_lock(run.settings.url, f"run {run.id}") as session:
        _upgrade(run.settings)
        recovery.after_killed(run)
        before = postgres.wal_position(session)
        yield
        after = postgres.wal_position(session)  # not reached when the run failed: the server may be gone
        record.wal_bytes = None if before is None or after is None else after - before
        if record.command not in ("load", "plan", "rollback --show"):
            prune_backups.after_success(run.settings, run.settings.url)


def _upgrade(settings: Settings) -> None:
    with postgres.connect(settings.url, name="upgrade", lock_timeout=settings.lock_timeout) as connection:
        before = layout.upgrade(connection, settings.lock_timeout)
    if before:
        log.info("Upgraded the tables of schema mock2pg from version %d to %d", before, layout.VERSION)


def _key(settings: Settings, record: Record) -> dict[str, object]:
    """A key of the run's own for its encrypted backup, in memory only: it can go back also where no other key is."""
    if not settings.backup_recipient or record.command not in ("migrate", "backup"):
        return {}
    public, identity = backups.new_key()
    return {"backup_recipient": f"{settings.backup_recipient},{public}", "backup_identity": identity}


def confirm(settings: Settings, database: str, host: str, ask: Ask | None = None) -> None:
    """A database on another machine is changed only when it is called by its name, as the server says it.

    ask  is given the question, and answers with the name
    """
    if not host or settings.confirm == database:
        return
    what = f"the database {database} is on {host}, not on this machine"
    if not settings.confirm and ask:
        if ask(f"{what}. Type its name to change it") == database:
            return
        what += ", and the answer is not its name"
    raise UsageError(what, hint=f"Add `--confirm {database}` if it is the database to change.")


def require_migrated_elsewhere(run: Run, record: Record) -> None:
    """A protected database takes only what was migrated on another server before, as the runs of this project say."""
    if record.database and record.database.protected:
        require_migrated_on_another_server(run, record.database)


def require_migrated_on_another_server(run: Run, database: Database) -> None:
    """Raise UsageError when no run that succeeded on another server had the same input."""
    sha256 = run.require(Staged).sha256
    for other in all_runs(run.settings):
        record = other.record()
        server = (record.get("database") or {}).get("system_identifier")
        migrated = tuple(map(record.get, ("command", "status", "input_sha256"))) == ("migrate", "succeeded", sha256)
        known = str(server).isdigit() and database.system_identifier.isdigit()  # not just an address
        if migrated and known and server != database.system_identifier:
            return
    raise UsageError(
        f"the database {database.name} is protected, and this input was never migrated on another server",
        hint="Migrate the same source elsewhere first, with the same runs/ folder.",
    )


@contextmanager
def scratch(run: Run, record: Record) -> Iterator[None]:
    """Drop the scratch schemas when the block ends, however it ends.

    A session that uses one keeps nobody waiting: that is a warning, and the next run tries again.
    """
    try:
        yield
    finally:
        with suppress(Mock2pgError), session(run, "scratch") as connection:
            for left in postgres.scratch.drop(connection):
                record.warn(recovery.NOT_DROPPED, DatabaseError(left))


def known_manifests(settings: Settings) -> list[events.RecordedManifest] | str:
    """Return the manifests in the database, or the reason why they cannot be read. Starts no server."""
    if not has_database(settings):
        return "there is none"
    try:
        with (
            postgres.connect(
                url(settings), name="evidence", read_only=True, lock_timeout=settings.lock_timeout
            ) as connection,
            postgres.named(DatabaseError, "cannot read mock2pg.events"),
        ):
            found = events.manifests(connection)
    except Mock2pgError as error:
        return error.message
    return "it has no events that this role may read" if found is None else found
