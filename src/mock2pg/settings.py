"""Every setting, from the environment or `.env`; nothing else reads the environment."""

from __future__ import annotations

import difflib
import getpass
import os
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from mock2pg import env_file, resources
from mock2pg.connection_string import ConnectionString, parse, schema_of
from mock2pg.errors import UsageError
from mock2pg.project_folder import REPOSITORY, discovered

__all__ = [
    "LOCK_TIMEOUT", "REPOSITORY", "Settings", "listed", "load", "notification_urls", "share", "unpacked", "variable",
]  # fmt: skip

_RECIPIENTS = r"^(\s*age1[0-9a-z]{58}\s*(,|$))*$"
LOCK_TIMEOUT = "2s"  # the default, also of sessions that know no settings
_DURATION = r"^[0-9]+(us|ms|s|min|h|d)?$"
_MILLISECONDS = {"us": 0.001, "ms": 1, "": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_BETWEEN = " \t\r\n,;"  # what may separate the URLs of services
_SERVICE = re.compile(r"[A-Za-z0-9]+://[^\s]")
_SHARE = r"^\d+$|^\d+(\.\d+)?%$"  # a number of rows, or a share of them


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without an entry in the password file
        return "unknown"


class Settings(BaseSettings):
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
        description="The target. Unset: the embedded server in .postgres/.",
    )
    target_schema: str = Field("public", validation_alias="MIGRATION_SCHEMA", description="The target schema.")
    project: Path = Field(
        default_factory=discovered, description="The folder of dbt_project, expectations, backups and runs."
    )
    source: Path = Field(Path("mock_data"), description="What `migrate` takes when no source is named.")
    postgres: Path = Field(Path(".postgres"), description="Where the embedded server keeps its data.")
    max_errors_per_rule: int = Field(100, ge=1, description="Rows listed per broken rule; the totals stay exact.")
    mode: Literal["replace", "upsert"] = Field(
        "replace",
        description="replace: the target holds exactly the input. upsert: nothing is deleted.",
    )
    on_error: Literal["refuse", "quarantine"] = Field(
        "refuse", description="What rows do that break a rule: refuse stops the run, quarantine leaves them out."
    )
    max_refused: str = Field(
        "10%",
        pattern=_SHARE,
        description="With quarantine: how many rows may be left out, as a number or a share of all rows.",
    )
    confirm: str = Field(
        "", description="The name of the database that may be changed although it is on another machine."
    )
    max_deleted: str = Field(
        "50%",
        pattern=_SHARE,
        description="The most rows of one table that a run may delete; a share counts from 101 rows on.",
    )
    allow_empty: str = Field("", description="Entities, comma-separated, whose tables a run may empty.")
    allow_cascade: str = Field(
        "", description="Tables that are not migrated, comma-separated, whose rows may be changed by their ON DELETE."
    )
    alter: bool = Field(
        False, description="Alter tables that a migration created when their contract changed, while publishing."
    )
    unknown_fields: Literal["refuse", "warn"] = Field(
        "refuse",
        description="What a key that is not declared does: refuse is an error, warn leaves it out and says so.",
    )
    max_unpacked: str = Field(
        "20x,10GiB",
        pattern=r"^\d+x,\d+[MG]iB$",
        description="What a packed source may become: times its packed size, from 64 MiB on, and in all.",
    )
    github_workspace: Path | None = Field(
        None,
        validation_alias="GITHUB_WORKSPACE",
        description="Set by GitHub Actions: `--format github` names files from here.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="debug shows more.")
    debug: str = Field("", validation_alias="DEBUG", description="`migration:*` is the same as log level debug.")
    operator: str = Field(default_factory=_user, description="Who runs it, for the history.")
    notify_urls: SecretStr | None = Field(
        None,
        description="Where to report the start and the verdict of a run, as apprise writes it, separated by spaces.",
    )
    lock_timeout: str = Field(
        LOCK_TIMEOUT,
        pattern=_DURATION,
        description="How long any session waits for a lock, as PostgreSQL writes durations: from 1ms to 24d.",
    )
    statement_timeout: str = Field(
        "0",
        pattern=_DURATION,
        description="How long one statement of publishing or a rollback may take; 0 is without a limit.",
    )
    publish_attempts: int = Field(
        5,
        ge=1,
        description="How often publishing, rollback and backup are tried while others hold locks or change the schema.",
    )

    backup_compression: Literal["none", "gzip", "zstd"] = Field("zstd", description="How backups are packed.")
    backup_recipient: str = Field(
        "", pattern=_RECIPIENTS, description="The age public keys, comma-separated, that backups are encrypted to."
    )
    backup_identity: SecretStr | None = Field(
        None, description="The age key that opens encrypted backups, or the path of its file."
    )
    backup_keep: int | None = Field(
        None, ge=1, description="How many of the newest backups to keep after a run that succeeded. Unset: all of them."
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
    def backups_dir(self) -> Path:
        return self.project / "backups"

    @property
    def runs_dir(self) -> Path:
        return self.project / "runs"

    @property
    def dbt_dir(self) -> Path:
        return self.project / "dbt_project"

    @property
    def expectations_dir(self) -> Path:
        return self.project / "expectations"

    @property
    def notebooks_dir(self) -> Path:
        """The project's own notebooks, or else those of the package."""
        own = self.project / "notebooks"
        return own if own.is_dir() else resources.NOTEBOOKS

    @property
    def cache_dir(self) -> Path:
        return self.project / ".cache"

    @property
    def log_file(self) -> Path:
        return self.project / "logs" / "migration.log"

    @property
    def source_path(self) -> Path:
        return self.project / self.source

    @property
    def postgres_dir(self) -> Path:
        return self.project / self.postgres

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
        """Return the settings as environment variables, for a child process."""
        values = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if value is not None:
                text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
                values[variable(name)] = text
        return values


def share(setting: str, rows: int) -> int:
    """A number of rows or a share of them, as max_refused and max_deleted give it, as a number of rows."""
    return int(Decimal(setting.removesuffix("%")) * rows / 100) if setting.endswith("%") else int(setting)


def unpacked(setting: str) -> tuple[int, int]:
    """Read max_unpacked: a factor, and a number of bytes."""
    times, size = setting.split(",")
    return int(times.removesuffix("x")), int(size[:-3]) << {"M": 20, "G": 30}[size[-3]]


def notification_urls(setting: SecretStr | None) -> list[str]:
    """The URLs in notify_urls. A comma separates two where the next one begins, so that a URL may hold commas."""
    text = setting.get_secret_value().strip(_BETWEEN) if setting else ""
    return re.split(rf"[{_BETWEEN}]+(?=[A-Za-z0-9]+://)", text) if text else []


def listed(setting: str) -> list[str]:
    """The names in a setting that takes several, comma-separated."""
    return [name.strip() for name in setting.split(",") if name.strip()]


def variable(field: str) -> str:
    """The environment variable of a field."""
    declared = Settings.model_fields.get(field)
    if declared is None:  # pydantic names a field that has an alias by that
        return field
    return str(declared.validation_alias or f"MIGRATION_{field.upper()}")


def load(**overrides: object) -> Settings:
    """The settings of this process. `overrides` are fields by name.

    Raises UsageError naming every variable whose value is not valid, and every one that mock2pg does not have.
    """
    project = Path(str(overrides.get("project") or os.environ.get("MIGRATION_PROJECT") or discovered()))
    file = project / ".env"
    problems, invalid = [], []
    try:
        given = env_file.read(file) | dict(os.environ)
        problems = _misspelt(given, target_given="database_url" in overrides)
        settings = Settings(_env_file=file, **overrides)  # type: ignore[arg-type]
        schema = schema_of(settings.database_url.get_secret_value()) if settings.database_url else None
        if schema and "target_schema" not in settings.model_fields_set:
            settings = Settings(_env_file=file, **overrides, target_schema=schema)  # type: ignore[arg-type]
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8", hint="Save it as UTF-8.") from None
    except ValidationError as error:
        # pydantic's own text quotes the value, and a value may be a credential
        invalid = [variable(str(fault["loc"][0])) + _why(fault) for fault in error.errors()]
    if invalid:
        problems.append(f"a setting is not valid: {', '.join(invalid)}")
    if problems:
        raise UsageError(
            "; ".join(problems), hint="Correct the named settings; docs/settings.md lists what each takes."
        )
    return settings


def _why(fault: Mapping[str, Any]) -> str:
    """Return the message of one of our validators, which quotes no value."""
    return f" ({fault['ctx']['error']})" if fault["type"] == "value_error" else ""


def _misspelt(given: Mapping[str, str], *, target_given: bool) -> list[str]:
    """Name the variables that mock2pg does not have though they look like its own, each with the nearest one it has."""
    known = [variable(field) for field in Settings.model_fields]
    upper = {name: name.upper() for name in given}
    # without a target the embedded server is migrated; with one, a similar name is another program's
    no_target = not target_given and "DATABASE_URL" not in upper.values()
    wrong = []
    for name, key in upper.items():
        ours = key.startswith("MIGRATION_") and key not in known
        if given[name] and (ours or (no_target and key.startswith("DATABASE"))):
            near = difflib.get_close_matches(key, known, 1, 0.0 if ours else 0.9)
            wrong += [f"{name} is not a setting; did you mean {near[0]}?"] if near else []
    return wrong
