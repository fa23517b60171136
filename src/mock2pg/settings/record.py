"""Every setting: its name, type, default and meaning, each declared once."""

from __future__ import annotations

import getpass
import re
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from mock2pg.connection_string import ConnectionString, parse
from mock2pg.errors import UsageError
from mock2pg.project_folder import discovered
from mock2pg.settings.folders import Folders
from mock2pg.settings.values import notification_urls

COMPLETE = "_MOCK2PG_SETTINGS"  # in the environment of a child process: it has all the settings, no file counts
_RECIPIENTS = r"^(\s*age1[0-9a-z]{58}\s*(,|$))*$"
LOCK_TIMEOUT = "2s"  # the default, also of sessions that know no settings
STAGING_MEMORY = "1GiB"  # the default; docs/limits.md has what was measured
_DURATION = r"^[0-9]+(us|ms|s|min|h|d)?$"
_MILLISECONDS = {"us": 0.001, "ms": 1, "": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_SERVICE = re.compile(r"[A-Za-z0-9]+://[^\s]")
_SHARE = r"^\d+$|^\d+(\.\d+)?%$"  # a number of rows, or a share of them


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without an entry in the password file
        return "unknown"


class Settings(Folders, BaseSettings):
    """One frozen record. Relative paths are taken from the project's folder, not from the current directory."""

    model_config = SettingsConfigDict(
        env_prefix="MIGRATION_",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    database_url: SecretStr | None = Field(
        None,
        validation_alias="DATABASE_URL",
        description=(
            "The target: `postgresql://user:password@host:5432/database`, or libpq's `key=value` text. Unset: an "
            "embedded server is started."
        ),
    )
    target_schema: str = Field(
        "public",
        validation_alias="MIGRATION_SCHEMA",
        description=(
            "The target schema, created if it does not exist. `?schema=` of `DATABASE_URL` wins over pyproject.toml "
            "and the default."
        ),
    )
    project: Path = Field(
        default_factory=discovered,
        description="The folder of dbt_project, expectations, backups and runs.",
        json_schema_extra={"default": "the nearest project"},
    )
    source: Path = Field(
        Path("mock_data"),
        description=(
            "The source of `migrate` when none is named, from the project's folder. Required when `DATABASE_URL` is "
            "set."
        ),
    )
    postgres: Path = Field(
        Path(".postgres"), description="Where the embedded server keeps its data, from the project's folder."
    )
    max_errors_per_rule: int = Field(
        100, ge=1, description="The maximum number of rows listed for each broken rule. The totals stay exact."
    )
    mode: Literal["replace", "upsert"] = Field(
        "replace",
        description=(
            "`replace`: make the target tables hold exactly the source. `upsert`: insert and update, delete nothing."
        ),
    )
    on_error: Literal["refuse", "quarantine"] = Field(
        "refuse",
        description=(
            "Rows that break a rule: `refuse` stops the run, `quarantine` refuses these rows, and what depends on them,"
            " and loads the others."
        ),
    )
    max_refused: str = Field(
        "10%",
        pattern=_SHARE,
        description="With `quarantine`: the maximum of rows that may be refused, as a number or a share of all rows.",
    )
    confirm: str = Field("", description="The name of the database, to allow changes to one on another machine.")
    max_deleted: str = Field(
        "50%",
        pattern=_SHARE,
        description=(
            "The maximum of rows of one table that a run may delete. A share counts for tables of more than 100 rows."
        ),
    )
    allow_empty: str = Field("", description="The entities whose tables a run may empty, comma-separated.")
    allow_cascade: str = Field(
        "",
        description=(
            "The tables that are not migrated, and whose rows may be changed by their own ON DELETE, comma-separated."
        ),
    )
    alter: bool = Field(
        False, description="Alter tables that a migration created when their contract changed, in the same transaction."
    )
    unknown_fields: Literal["refuse", "warn"] = Field(
        "refuse",
        description=(
            "A key that is not declared: `refuse` makes it an error, `warn` leaves it out, lists and counts it."
        ),
    )
    max_unpacked: str = Field(
        "20x,10GiB",
        pattern=r"^\d+x,\d+[MG]iB$",
        description=(
            "The limit for unpacking a source: a multiple of its packed size, from 64 MiB on, and a total (MiB or GiB)."
        ),
    )
    staging_memory: str = Field(
        STAGING_MEMORY,
        pattern=r"^[1-9]\d*[MG]iB$",
        description=(
            "The limit for the memory of DuckDB, which holds the staged rows (MiB or GiB). Checks, hashes and "
            "comparisons get half of it; what they need beyond goes to the run's folder, until the run ends."
        ),
    )
    github_workspace: Path | None = Field(
        None,
        validation_alias="GITHUB_WORKSPACE",
        description="Set by GitHub Actions. `check --format github` names files from here.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The lowest level of messages on the console and in `logs/migration.log`."
    )
    debug: str = Field(
        "",
        validation_alias="DEBUG",
        description="`migration:*` is the same as the log level debug. Other values do nothing.",
    )
    operator: str = Field(
        default_factory=_user,
        description="Who runs mock2pg, for `record.json` and the history.",
        json_schema_extra={"default": "the user's name"},
    )
    notify_urls: SecretStr | None = Field(
        None,
        description=(
            "The services that receive the start and the verdict of `migrate` and `rollback`: URLs as apprise writes "
            "them, separated by spaces or commas. docs/watch.md has examples."
        ),
    )
    lock_timeout: str = Field(
        LOCK_TIMEOUT,
        pattern=_DURATION,
        description="How long each statement waits for a lock, as PostgreSQL writes durations, from 1ms to 24d.",
    )
    statement_timeout: str = Field(
        "0",
        pattern=_DURATION,
        description="How long one statement of publishing or a rollback may take. 0: no limit.",
    )
    publish_attempts: int = Field(
        5,
        ge=1,
        description=(
            "How often publishing and a rollback are tried when a lock, a deadlock, a conflict or a lost connection "
            "stops them, and a backup when others change the schema."
        ),
    )

    backup_compression: Literal["none", "gzip", "zstd"] = Field("zstd", description="How backups are packed.")
    backup_recipient: str = Field(
        "",
        pattern=_RECIPIENTS,
        description=(
            "The age public keys (age1...) that backups are encrypted to, comma-separated. Unset: not encrypted."
        ),
    )
    backup_identity: SecretStr | None = Field(
        None,
        description="The age key that opens encrypted backups, or the path of its file, from the project's folder.",
    )
    backup_keep: int | None = Field(
        None,
        ge=1,
        description=(
            "How many of the newest backups to keep after a migration, backup or rollback that succeeded. Unset: all."
        ),
    )
    runs_keep: int | None = Field(
        None,
        ge=1,
        description="How many of the newest runs to keep after a run that ended. Unset: all of them.",
    )
    backup_restore_test: Literal["always", "never"] = Field(
        "always", description="`always`: restore every backup once and compare it. `never`: skip the restore test."
    )

    @field_validator("project")
    @classmethod
    def _absolute(cls, project: Path) -> Path:
        """Make paths absolute: a notebook has another current directory than the shell."""
        return project.resolve()

    @field_validator("target_schema")
    @classmethod
    def _not_ours(cls, schema: str) -> str:
        """Scratch schemas are dropped, PostgreSQL's own are not for tables, and it cuts long names."""
        if schema.startswith(("mock2pg", "pg_")) or schema in ("information_schema", "") or len(schema.encode()) > 63:
            raise ValueError("it may not begin with mock2pg or pg_, be information_schema, or be longer than 63 bytes")
        return schema

    @field_validator("lock_timeout")
    @classmethod
    def _ends(cls, duration: str) -> str:
        """Nothing waits for ever: PostgreSQL takes 0, and what it rounds to 0, for no limit."""
        unit = duration.lstrip("0123456789")
        if not 1 <= int(duration.removesuffix(unit)) * _MILLISECONDS[unit] <= _MILLISECONDS["d"] * 24:
            raise ValueError("it takes 1ms to 24d; 0 would wait for ever")
        return duration

    @field_validator("notify_urls")
    @classmethod
    def _services(cls, urls: SecretStr | None) -> SecretStr | None:
        """Name an invalid URL by its number: it is a credential. Whether a service knows it, apprise says later."""
        found = notification_urls(urls)
        if invalid := [str(number) for number, url in enumerate(found, 1) if not _SERVICE.match(url)]:
            raise ValueError(f"URL {', '.join(invalid)} does not begin with a service, such as slack://")
        return urls

    @property
    def identity(self) -> SecretStr | None:
        """`backup_identity`, as the key that it is or as the path of a file, taken from the project's folder."""
        given = self.backup_identity
        if given is None or given.get_secret_value().startswith("AGE-SECRET-KEY-"):
            return given
        return SecretStr(str(self.project / given.get_secret_value()))

    @property
    def url(self) -> str:
        """The target's connection string. Raises UsageError while it is not known which database that is."""
        if self.database_url is None:
            raise UsageError("DATABASE_URL is not set", hint="Run through make or mock2pg, which start a server.")
        return self.target.libpq

    @property
    def target(self) -> ConnectionString:
        """Return the parsed DATABASE_URL. Raises UsageError that names the invalid part."""
        return parse(self.database_url.get_secret_value() if self.database_url else "")

    @property
    def verbose(self) -> bool:
        return self.log_level == "debug" or self.debug.startswith("migration:")

    def environment(self) -> dict[str, str]:
        """Return the settings as environment variables, for a child process, which reads no file, and sends nothing."""
        values = {COMPLETE: "1"}
        for name in type(self).model_fields.keys() - {"notify_urls"}:
            value = getattr(self, name)
            if value is not None:
                text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
                values[variable(name)] = text
        return values


def variable(field: str) -> str:
    """Return the environment variable of a field."""
    declared = Settings.model_fields.get(field)
    if declared is None:  # pydantic names a field that has an alias by that
        return field
    return str(declared.validation_alias or f"MIGRATION_{field.upper()}")
