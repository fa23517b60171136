"""Settings: where they come from, and that a bad one is named and never quoted."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pydantic
import pytest
from psycopg.conninfo import conninfo_to_dict

from mock2pg.errors import UsageError
from mock2pg.settings import Settings, explain, load, record, variable

CANARY = "Canary7291"

VARIABLES = {
    "DATABASE_URL": ("database_url", f"postgresql://u:{CANARY}@h/db"),
    "MIGRATION_SCHEMA": ("target_schema", "app"),
    "MIGRATION_SOURCE": ("source", Path("other data")),
    "MIGRATION_POSTGRES": ("postgres", Path("/srv/pg")),
    "MIGRATION_MAX_ERRORS_PER_RULE": ("max_errors_per_rule", 7),
    "MIGRATION_LOG_LEVEL": ("log_level", "warning"),
    "DEBUG": ("debug", "migration:*"),
    "MIGRATION_OPERATOR": ("operator", "Zoë 'O'Neil'"),
    "MIGRATION_LOCK_TIMEOUT": ("lock_timeout", "500ms"),
    "MIGRATION_STATEMENT_TIMEOUT": ("statement_timeout", "1min"),
    "MIGRATION_PUBLISH_ATTEMPTS": ("publish_attempts", 2),
    "MIGRATION_ON_ERROR": ("on_error", "quarantine"),
    "MIGRATION_MAX_REFUSED": ("max_refused", "2.5%"),
    "MIGRATION_MAX_UNPACKED": ("max_unpacked", "30x,2GiB"),
    "MIGRATION_STAGING_MEMORY": ("staging_memory", "1GiB"),
    "MIGRATION_CONFIRM": ("confirm", "app"),
    "MIGRATION_MAX_DELETED": ("max_deleted", "7"),
    "MIGRATION_ALLOW_EMPTY": ("allow_empty", "a, b"),
    "MIGRATION_ALLOW_CASCADE": ("allow_cascade", "pins"),
    "MIGRATION_MODE": ("mode", "upsert"),
    "MIGRATION_BACKUP_RESTORE_TEST": ("backup_restore_test", "never"),
    "MIGRATION_ALTER": ("alter", True),
    "MIGRATION_UNKNOWN_FIELDS": ("unknown_fields", "warn"),
    "MIGRATION_BACKUP_COMPRESSION": ("backup_compression", "gzip"),
    "MIGRATION_BACKUP_RECIPIENT": ("backup_recipient", "age1" + "q" * 58 + ", age1" + "p" * 58),
    "MIGRATION_BACKUP_IDENTITY": ("backup_identity", CANARY),
    "MIGRATION_BACKUP_KEEP": ("backup_keep", 3),
    "MIGRATION_RUNS_KEEP": ("runs_keep", 4),
    "MIGRATION_NOTIFY_URLS": ("notify_urls", f"slack://{CANARY} json://h"),
    "GITHUB_WORKSPACE": ("github_workspace", Path("/srv/work")),
}


def value(settings: Settings, field: str) -> object:
    found = getattr(settings, field)
    return found.get_secret_value() if isinstance(found, pydantic.SecretStr) else found


def test_every_variable_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each field has its variable, and the table above has each field."""
    for name, (_, given) in VARIABLES.items():
        monkeypatch.setenv(name, str(given))
    monkeypatch.setenv("MIGRATION_PROJECT", str(tmp_path))
    settings = load()
    assert {field: value(settings, field) for field, _ in VARIABLES.values()} == dict(VARIABLES.values())
    assert settings.project == tmp_path
    assert {field for field, _ in VARIABLES.values()} | {"project"} == set(Settings.model_fields)


def test_without_any_variable_the_defaults_hold(tmp_path: Path) -> None:
    """Nothing needs to be set; the target is then not known here."""
    settings = load(project=tmp_path)
    assert (settings.database_url, settings.target_schema, settings.max_errors_per_rule) == (None, "public", 100)
    assert settings.operator
    assert not settings.verbose
    with pytest.raises(UsageError, match="DATABASE_URL is not set"):
        settings.url  # noqa: B018


def given(source: str, project: Path, patch: pytest.MonkeyPatch, **values: str) -> dict[str, str]:
    """Have a source say the settings; returns what is given to `load`."""
    if source == "environment":
        for name, text in values.items():
            patch.setenv(variable(name), text)
    if source == ".env":
        lines = "".join(f"{variable(name)}={text}\n" for name, text in values.items())
        (project / ".env").write_text(f"# the settings\n\n{lines}")
    if source == "pyproject.toml":
        lines = "".join(f'{name} = "{text}"\n' for name, text in values.items())
        (project / "pyproject.toml").write_text(f"[tool.mock2pg]\n{lines}")
    return values if source == "flag" else {}


ORIGINS = {"flag": "flag", "environment": "environment", ".env": ".env:3", "pyproject.toml": "pyproject.toml"}


@pytest.mark.parametrize(("high", "low"), [*combinations([*ORIGINS, "default"], 2)])
def test_the_first_source_that_has_a_setting_wins(
    high: str, low: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Flag before environment before .env before [tool.mock2pg] before the default; and `explain` says which it was."""
    overrides = given(low, tmp_path, monkeypatch, operator=low) | given(high, tmp_path, monkeypatch, operator=high)
    assert load(project=tmp_path, **overrides).operator == high
    assert explained(project=tmp_path, **overrides)["operator"] == (high, ORIGINS[high])


def explained(**overrides: object) -> dict[str, tuple[object, str]]:
    return {setting.name: (setting.value, setting.origin) for setting in explain(**overrides)}


@pytest.mark.parametrize("source", [*ORIGINS, "default"])
def test_the_schema_of_the_url_is_as_good_as_the_url(
    source: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`?schema=` wins over the project's file and the default, which are not this machine's, and over nothing else."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://h/db?schema=app")
    overrides = given(source, tmp_path, monkeypatch, target_schema="own")
    url_wins = source in ("pyproject.toml", "default")
    assert load(project=tmp_path, **overrides).target_schema == ("app" if url_wins else "own")
    found = ("app", "DATABASE_URL") if url_wins else ("own", ORIGINS[source])
    assert explained(project=tmp_path, **overrides)["target_schema"] == found


def test_a_project_keeps_settings_in_its_pyproject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text, numbers, true, false and lists of texts; a text that is empty is none, as a variable that is empty."""
    monkeypatch.setenv("MIGRATION_MODE", "")
    (tmp_path / "pyproject.toml").write_text(
        "[project]\nname = 'mock2pg-shop'\n[tool.mock2pg]\nmode = 'upsert'\nmax_deleted = 7\nalter = true\n"
        "allow_empty = ['a', 'b']\nbackup_keep = 3\nlock_timeout = ''\n"
    )
    settings = load(project=tmp_path)
    assert (settings.mode, settings.max_deleted, settings.alter) == ("upsert", "7", True)
    assert (settings.allow_empty, settings.backup_keep, settings.lock_timeout) == ("a,b", 3, "2s")
    assert {name for name, (_, origin) in explained(project=tmp_path).items() if origin == "pyproject.toml"} == {
        "mode", "max_deleted", "alter", "allow_empty", "backup_keep",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("modee = 'upsert'", r"modee in \[tool.mock2pg\] of \S+pyproject.toml is not a setting; did you mean mode\?"),
        ("max-deleted = '5%'", "max-deleted in .* did you mean max_deleted"),
        ("MIGRATION_SCHEMA = 'app'", "did you mean target_schema"),
        ("q = 1", r"q in \[tool.mock2pg\] of \S+pyproject.toml is not a setting$"),
        ("database_url = 'CANARY'", "is a secret, .*; set DATABASE_URL in the environment or in .env"),
        ("backup_identity = 'CANARY'", "is a secret, .*; set MIGRATION_BACKUP_IDENTITY in"),
        ("project = 'CANARY'", "the project is the folder of that file"),
        ("confirm = {CANARY = 1}", "confirm in .* is neither text, a number, true, false nor a list of texts"),
        ("mode = 'CANARY'", r"not valid: mode in \[.*toml \(it takes 'replace' or 'upsert'\)"),
        ("backup_keep = 0\nmode = 'CANARY'", "not valid: mode in .*, backup_keep in "),
        ("target_schema = 'pg_CANARY'", r"not valid: target_schema in .* \(it may not begin with"),
        ("mode = CANARY", r"is not TOML \(at line 2, column 8\)$"),
    ],
)
def test_what_a_pyproject_may_not_say_is_named(table: str, said: str, tmp_path: Path) -> None:
    """A wrong name or value, a secret, and what is no TOML: with file and key, and no value."""
    (tmp_path / "pyproject.toml").write_text(f"[tool.mock2pg]\n{table.replace('CANARY', CANARY)}\n")
    with pytest.raises(UsageError, match=said) as failed:
        load(project=tmp_path)
    assert CANARY not in str(failed.value.as_dict())
    (tmp_path / "pyproject.toml").write_text(f"[tool.other]\n{table}\nmock2pg = 1\n" if "CANARY" not in table else "")
    load(project=tmp_path)


@pytest.mark.parametrize("content", ["[tool]\nmock2pg = 1\n", "# mock2pg: \xe9"])
def test_a_pyproject_that_cannot_be_read_has_a_name(content: str, tmp_path: Path) -> None:
    """A table that is none, and another encoding, are errors of the file."""
    (tmp_path / "pyproject.toml").write_bytes(content.encode("latin-1"))
    with pytest.raises(UsageError, match=r"pyproject\.toml is not (a table|UTF-8)"):
        load(project=tmp_path)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"postgresql://app:{CANARY}@db.example.com:5433/shop?schema=a", "postgresql://app@db.example.com:5433/shop"),
        (f"postgresql:///shop?host=/run&user=me&password={CANARY}", "postgresql://me@/shop?host=/run"),
        (
            f"dbname='a shop' host=/run,/tmp port=5 password='{CANARY} x'",
            "postgresql:///a%20shop?host=/run,/tmp&port=5",
        ),
        (f"dbname=shop host=h port=5 user='it''s' password='{CANARY} x'", "postgresql://it@h:5/shop"),
        (f"postgresql://me:{CANARY}@[::1]:5/shop", "postgresql://me@[::1]:5/shop"),
        (f"dbname=shop host=::1,h port=5 password={CANARY}", "postgresql://[::1],h:5/shop"),
        (f"postgresql://?service=shop&password={CANARY}", "service=shop"),
        (f"postgresql://u:12/{CANARY}@h", "set"),
        (f"mysql://u:{CANARY}@h/db", "not valid: DATABASE_URL begins with mysql:, which is not PostgreSQL's"),
    ],
)
def test_a_secret_is_set_or_not(url: str, said: str, tmp_path: Path) -> None:
    """User, host, port and database are shown of the URL, and never its password; nothing of a key."""
    found = explained(project=tmp_path, database_url=url, backup_identity=CANARY)
    assert found["database_url"] == (said, "flag")
    assert not said.startswith("postgresql:") or conninfo_to_dict(said)["dbname"].endswith("shop")
    assert found["backup_identity"] == ("set", "flag")
    assert CANARY not in str(found)
    assert explained(project=tmp_path)["database_url"] == (None, "default")


def test_the_project_has_an_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """.env of the project is read; the environment wins over it, and what is given in Python over both."""
    (tmp_path / ".env").write_text(
        "MIGRATION_OPERATOR=\"Zoë\"\nDATABASE_URL='postgresql://file/db'\nOTHER=1\n# a note\n"
    )
    settings = load(project=tmp_path)
    assert (settings.operator, settings.url) == ("Zoë", "postgresql://file/db")
    monkeypatch.setenv("MIGRATION_PROJECT", str(tmp_path))
    assert load().operator == "Zoë"
    monkeypatch.setenv("MIGRATION_OPERATOR", "environment")
    assert load(project=tmp_path).operator == "environment"
    assert load(project=tmp_path, operator="Python").operator == "Python"


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`DATABASE_URL= make migrate` starts the embedded server; it does not write to whatever libpq finds."""
    for name in [*VARIABLES, "MIGRATION_PROJECT"]:
        monkeypatch.setenv(name, "")
    settings = load(project=tmp_path)
    assert (settings.database_url, settings.target_schema, settings.max_errors_per_rule) == (None, "public", 100)


_UNENDING = ["0", "00min", "400us", "25d"]  # as PostgreSQL takes them: for ever, rounded to 0, more than it takes


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("MIGRATION_MAX_ERRORS_PER_RULE", CANARY),
        ("MIGRATION_MAX_ERRORS_PER_RULE", "0"),
        ("MIGRATION_LOG_LEVEL", CANARY),
        ("MIGRATION_LOCK_TIMEOUT", f"2s; DROP TABLE {CANARY}"),
        ("MIGRATION_LOCK_TIMEOUT", "soon"),
        *(("MIGRATION_LOCK_TIMEOUT", given) for given in _UNENDING),
        ("MIGRATION_SCHEMA", "mock2pg_next"),
        ("MIGRATION_BACKUP_COMPRESSION", CANARY),
        ("MIGRATION_BACKUP_RECIPIENT", f"AGE-SECRET-KEY-1{CANARY}"),
        ("MIGRATION_BACKUP_RECIPIENT", "age1" + "q" * 58 + " age1" + "q" * 58),
        ("MIGRATION_BACKUP_KEEP", "0"),
        ("MIGRATION_SCHEMA", "mock2pg"),
        ("MIGRATION_SCHEMA", "pg_catalog"),
        ("MIGRATION_SCHEMA", "information_schema"),
        ("MIGRATION_SCHEMA", "é" * 32),
    ],
)
def test_a_bad_value_is_named_and_not_quoted(
    name: str, given: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The message names the variable as the user typed it; a value might be a credential."""
    monkeypatch.setenv("DATABASE_URL", f"postgresql://u:{CANARY}@h/db")
    monkeypatch.setenv(name, given)
    with pytest.raises(UsageError) as failed:
        load(project=tmp_path)
    assert re.fullmatch(rf"a setting is not valid: {name}( \(it [^()]+\))?", failed.value.message)
    assert ("0 would wait for ever" in failed.value.message) == ("LOCK" in name and given in _UNENDING)
    assert CANARY not in str(failed.value.as_dict())
    assert failed.value.__cause__ is None


def test_all_bad_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Correcting one reveals no second one behind it."""
    monkeypatch.setenv("MIGRATION_MAX_ERRORS_PER_RULE", "x")
    monkeypatch.setenv("MIGRATION_LOG_LEVEL", "x")
    with pytest.raises(UsageError, match="MIGRATION_MAX_ERRORS_PER_RULE, MIGRATION_LOG_LEVEL"):
        load(project=tmp_path)


@pytest.mark.parametrize("place", ["environment", ".env"])
@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("MIGRATION_MODEE", "MIGRATION_MODE"),
        ("migration_allowempty", "MIGRATION_ALLOW_EMPTY"),
        ("MIGRATION_TARGET_SCHEMA", "MIGRATION_SCHEMA"),
        ("MIGRATION_X", "MIGRATION_"),
        ("DATABASEURL", "DATABASE_URL"),
        ("DATABASE_URI", "DATABASE_URL"),
    ],
)
def test_a_misspelt_setting_is_refused(
    place: str, given: str, meant: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A variable that looks like ours and is not would be ignored: the error names it and the nearest one."""
    if place == ".env":
        (tmp_path / ".env").write_text(f"OTHER=1\nMIGRATION_MODE=upsert\n{given}={CANARY}\n")
    else:
        monkeypatch.setenv(given, CANARY)
    with pytest.raises(UsageError, match=f"{given} is not a setting; did you mean {meant}") as failed:
        load(project=tmp_path)
    assert CANARY not in str(failed.value.as_dict())


def test_a_name_like_the_targets_may_be_another_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """DATABASE_URI is no mistake beside a DATABASE_URL, be it empty."""
    monkeypatch.setenv("DATABASE_URI", "mysql://h/db")
    assert load(project=tmp_path, database_url="postgresql://h/db").url
    (tmp_path / ".env").write_text("DATABASE_URL=\nMIGRATION_MODEE=\n")
    assert load(project=tmp_path).database_url is None


def test_a_line_of_the_env_file_that_is_no_variable_is_refused(tmp_path: Path) -> None:
    """`MIGRATION_MODE upsert` would be ignored."""
    (tmp_path / ".env").write_text(f"MIGRATION_MODE=upsert\nMIGRATION_OPERATOR {CANARY}\n")
    with pytest.raises(UsageError, match=r"\.env, line 2, is not a variable") as failed:
        load(project=tmp_path)
    assert CANARY not in str(failed.value.as_dict())


def test_an_env_file_that_cannot_be_read_has_a_name(tmp_path: Path) -> None:
    """Another encoding is an error of the file, not a traceback."""
    (tmp_path / ".env").write_bytes(f"MIGRATION_OPERATOR=Zo\xeb {CANARY}".encode("latin-1"))
    with pytest.raises(UsageError, match=r"\.env") as failed:
        load(project=tmp_path)
    assert CANARY not in str(failed.value.as_dict())


def test_another_process_gets_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that `environment` hands on are read back as they were, whatever the other process finds elsewhere: also
    what is empty or unset. The URLs of services are credentials that no other process needs."""
    for given in (dict(VARIABLES.values()), {"allow_empty": "", "backup_keep": None, "alter": False}):
        first = load(project=tmp_path, **given)
        elsewhere = {"MIGRATION_OPERATOR": "another", "MIGRATION_ALLOW_EMPTY": "x", "MIGRATION_BACKUP_KEEP": "1"}
        (tmp_path / ".env").write_text("".join(f"{name}={text}\n" for name, text in elsewhere.items()))
        (tmp_path / "pyproject.toml").write_text("[tool.mock2pg]\nallow_cascade = 'y'\nalter = true\n")
        with monkeypatch.context() as child:
            for name, text in first.environment().items():
                child.setenv(name, text)
            assert load() == first.model_copy(update={"notify_urls": None})


def test_a_credential_is_not_shown(tmp_path: Path) -> None:
    """Printing the settings prints no password."""
    settings = load(project=tmp_path, database_url=f"postgresql://u:{CANARY}@h/db", backup_identity=CANARY)
    assert CANARY not in f"{settings!r} {settings} {settings.model_dump()} {settings.identity}"
    assert CANARY in settings.url


def test_settings_do_not_change_under_way(tmp_path: Path) -> None:
    """One frozen record."""
    settings = load(project=tmp_path)
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        settings.operator = "x"  # type: ignore[misc]


def test_paths_belong_to_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths start at the project's folder, whatever the current directory; absolute ones stay."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "project").mkdir()
    settings = load(project=Path("project"), source=Path("data"), postgres=Path("/srv/pg"))
    monkeypatch.chdir("/")
    assert settings.source_path == tmp_path / "project" / "data"
    assert settings.postgres_dir == Path("/srv/pg")
    folders = (settings.backups_dir, settings.runs_dir, settings.dbt_dir, settings.expectations_dir)
    for folder in (*folders, settings.log_file):
        assert folder.is_relative_to(tmp_path / "project")


def test_the_key_of_backups_is_itself_or_a_file(tmp_path: Path) -> None:
    """A file's path starts at the project's folder, as other paths do; a key is taken as it is."""

    def identity(given: str | None) -> str | None:
        found = load(project=tmp_path, backup_identity=given).identity
        return found and found.get_secret_value()

    assert identity(None) is None
    assert identity("AGE-SECRET-KEY-1A") == "AGE-SECRET-KEY-1A"
    assert identity("keys/key.txt") == str(tmp_path / "keys" / "key.txt")
    assert identity("/srv/key.txt") == "/srv/key.txt"


@pytest.mark.parametrize(
    ("level", "debug", "verbose"),
    [("info", "", False), ("debug", "", True), ("info", "migration:*", True), ("error", "migration:x", True),
     ("info", "*", False), ("info", "1", False)],
)  # fmt: skip
def test_debug_is_asked_for_in_two_ways(level: str, debug: str, verbose: bool, tmp_path: Path) -> None:
    """MIGRATION_LOG_LEVEL=debug or DEBUG=migration:*; what other programs take DEBUG for does nothing."""
    assert load(project=tmp_path, log_level=level, debug=debug).verbose is verbose


def test_a_user_without_a_name_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A uid that the password file does not know can run a migration, too."""

    def nameless() -> str:
        raise KeyError

    monkeypatch.setattr(record.getpass, "getuser", nameless)
    assert record._user() == "unknown"
