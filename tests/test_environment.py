"""Variables and files that are meant for another tool change nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mock2pg import environment
from tests.fix_small import small_document, small_project

# Each would change what a run does, or end it, if the tool that it is meant for read it.
HOSTILE = {
    "DBT_DEFER": "1", "DBT_EMPTY": "1", "DBT_ENGINE_RESOURCE_TYPES": "model", "DBT_FAIL_FAST": "1",
    "DBT_FULL_REFRESH": "1", "DBT_INDIRECT_SELECTION": "empty", "DBT_PROFILE": "other", "DBT_PROFILES_DIR": "/nowhere",
    "DBT_RESOURCE_TYPES": "model", "DBT_STATE": "/nowhere", "DBT_STORE_FAILURES": "1", "DBT_TARGET": "prod",
    "DBT_TARGET_PATH": "/nowhere", "DBT_VARS": "{mode: x}", "DBT_WARN_ERROR": "1", "DBT_WARN_ERROR_OPTIONS": "{}",
    "PGAPPNAME": "x", "PGCLIENTENCODING": "LATIN1", "PGCONNECT_TIMEOUT": "x", "PGDATABASE": "x", "PGDATESTYLE": "x",
    "PGHOST": "nowhere.invalid", "PGHOSTADDR": "192.0.2.1", "PGOPTIONS": "-c nothing=1", "PGPORT": "1",
    "PGSERVICE": "x", "PGTARGETSESSIONATTRS": "standby", "PGTZ": "x", "PGUSER": "x",
    "PYTHONASYNCIODEBUG": "1", "PYTHONBREAKPOINT": "x", "PYTHONDEVMODE": "1", "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "1", "PYTHONINSPECT": "1", "PYTHONINTMAXSTRDIGITS": "640", "PYTHONIOENCODING": "ascii",
    "PYTHONOPTIMIZE": "2", "PYTHONSAFEPATH": "",
    "PYTHONWARNINGS": "error",
    "GX_ANALYTICS_ENABLED": "true", "GX_CLOUD_ACCESS_TOKEN": "x", "GX_CLOUD_MODE": "true", "GX_HOME": "/nowhere",
    "IPYTHONDIR": "/nowhere", "JUPYTER_CONFIG_DIR": "/nowhere", "JUPYTER_CONFIG_PATH": "/nowhere",
    "JUPYTER_PATH": "/nowhere", "JUPYTER_PLATFORM_DIRS": "x", "JUPYTER_RUNTIME_DIR": "/nowhere",
    "PAGER": "false", "http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1", "GIT_DIR": "/nowhere",
    "SOURCE_DATE_EPOCH": "x", "SQLALCHEMY_WARN_20": "1", "DUCKDB_NO_THREADS": "1",
}  # fmt: skip


def test_one_list_says_which_variables_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of another tool reaches a program that we start, nor this process inside `ours`, which puts all back."""
    kept = {"PATH": "/bin", "LC_CTYPE": "C.UTF-8", "PGPASSWORD": "secret", "MIGRATION_MODE": "upsert", "TERM": "vt100"}
    for name, value in (HOSTILE | kept).items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    started = environment.inherited()
    assert kept.items() <= started.items()
    assert not {name for name in HOSTILE if started.get(name) == HOSTILE[name]}
    assert started["PYTHONPATH"].split(os.pathsep) == [place for place in sys.path if place]
    with environment.ours(PGPASSWORD="another", MORE="1"):
        assert not HOSTILE.items() & os.environ.items()
        assert (os.environ["PGPASSWORD"], os.environ["MORE"]) == ("another", "1")
        with environment.ours(PGPASSWORD="a third"):
            assert os.environ["PGPASSWORD"] == "a third"
        assert os.environ["PGPASSWORD"] == "another"
    assert os.environ == before
    assert environment.inherited("psql")["PAGER"] == "false"


@pytest.mark.parametrize("program", ["", "psql", "browser", "notifications", "watch"])
def test_a_credential_is_handed_to_who_needs_it(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser, the senders of notifications and the server of the page use no database; the URLs of services go
    through a pipe to who sends."""
    given = {"DATABASE_URL": "secret", "PGPASSWORD": "secret", "MIGRATION_BACKUP_IDENTITY": "secret", "HOME": "/root"}
    for name, value in {**given, "MIGRATION_NOTIFY_URLS": "sent", "migration_notify_urls": "sent"}.items():
        monkeypatch.setenv(name, value)
    values = list(environment.inherited(program).values())
    assert values.count("secret") == (3 if program in ("", "psql") else 0)
    assert "sent" not in values
    assert "/root" in values


def test_who_has_no_home_gets_the_name_of_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a uid without a name, libraries that ask for a home get a path that is not there."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert environment.inherited()["HOME"] == "/nonexistent"


def hostile_files(folder: Path) -> dict[str, str]:
    """A home, a current directory and modules of other tools, and the variables that lead to them."""
    broken = "raise SystemExit(99)\n"
    for name, text in {
        "home/.dbt/profiles.yml": "mock2pg: {target: prod}\n",
        "home/.ipython/profile_default/startup/00.py": broken,
        "home/.ipython/profile_default/ipython_kernel_config.py": broken,
        "home/.jupyter/jupyter_config.py": broken,
        "home/.great_expectations/great_expectations.conf": "[analytics]\nenabled = maybe\n",
        "here/yaml.py": broken,
        "here/profiles.yml": "mock2pg: {target: prod}\n",
        "modules/yaml.py": broken,
        "modules/duckdb.py": broken,
        "modules/startup.py": broken,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    modules = str(folder / "modules")
    return {"HOME": str(folder / "home"), "PYTHONPATH": modules, "PYTHONSTARTUP": f"{modules}/startup.py"}


def test_a_migration_among_variables_and_files_of_other_tools(tmp_path: Path, database: str) -> None:
    """All of them at once, and a migration is what it is without them: every model and every test has run."""
    project = small_project(tmp_path / "project")
    rule = "select pets.id from {{ ref('pets') }} as pets join {{ ref('owners') }} as owners using (name)"
    (project / "dbt_project" / "tests").mkdir(exist_ok=True)
    (project / "dbt_project" / "tests" / "no_pet_called_as_an_owner.sql").write_text(rule)
    (tmp_path / "pets.json").write_text(json.dumps(small_document("Rex", "Tom")))
    variables = HOSTILE | hostile_files(tmp_path) | {"MIGRATION_PROJECT": str(project), "DATABASE_URL": database}
    done = subprocess.run(
        [sys.executable, "-m", "mock2pg", "migrate", str(tmp_path / "pets.json"), "--json"],
        cwd=tmp_path / "here", env={**os.environ, **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    manifest = json.loads(next(project.glob("runs/*/dbt/manifest.json")).read_text())["nodes"].values()
    declared = [node["resource_type"] for node in manifest]
    assert result["summary"]["load"]["tests"] == declared.count("test") > 0
    assert result["summary"]["load"]["models"] == declared.count("model")
    assert result["summary"]["publish"]["tables"]["pets"]["inserted"] == 2
