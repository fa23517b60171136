"""The place of the benchmark: one server, one folder, and a project for each version of mock2pg."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from mock2pg import postgres
from mock2pg.postgres.server import Server
from mock2pg.settings import REPOSITORY

_INHERITED = ("HOME", "LANG", "PATH", "TMPDIR", "TZ", "USER", "LOGNAME", "PGPASSFILE", "PGPASSWORD")
_PACKAGES = ("PIP_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_", "REQUESTS_CA_BUNDLE")


@dataclass(frozen=True)
class Tree:
    """A version of mock2pg with its environment, and the project that it is run on.

    code     its files, with .venv
    project  copies of its models, rules and notebooks; its runs and backups
    """

    name: str
    code: Path
    project: Path

    @property
    def python(self) -> Path:
        return self.code / ".venv" / "bin" / "python"

    def command(self, *arguments: str | Path) -> list[str | Path]:
        return [self.python, "-I", "-m", "mock2pg", *arguments]

    def environment(self, url: str, **more: str) -> dict[str, str]:
        return inherited() | {"DATABASE_URL": url, "MIGRATION_PROJECT": str(self.project)} | more

    def steps(self) -> dict[str, float]:
        """Seconds of the newest run by step, in the order in which they ran; `whole` is the run's own time."""
        run = self.project / "runs" / "latest"
        found = sorted(
            (json.loads(file.read_bytes()) for file in (run / "steps").glob("*.json")),
            key=lambda step: step["started_at"],
        )
        return {step["step"]: step["seconds"] for step in found} | {"whole": self.record("record.json")["seconds"]}

    def record(self, name: str) -> dict[str, Any]:
        """A record of the newest run."""
        read: dict[str, Any] = json.loads((self.project / "runs" / "latest" / name).read_bytes())
        return read


@dataclass(frozen=True)
class Place:
    """One server and one folder.

    url  of a database that exists
    """

    folder: Path
    url: str

    @contextmanager
    def database(self, name: str) -> Iterator[str]:
        """A new database, which is dropped afterwards."""
        self.drop(name)
        postgres.ensure_database(self.url, name)
        try:
            yield as_url(postgres.database_url(self.url, name))
        finally:
            self.drop(name)

    def drop(self, name: str) -> None:
        with postgres.connect(self.url, name="benchmark") as connection:
            connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))

    def tree(self, name: str, code: Path) -> Tree:
        """A tree that has an environment, with a new project."""
        project = self.folder / f"project {name}"
        for part in ("dbt_project", "expectations", "notebooks"):
            ignored = shutil.ignore_patterns("target", "logs")
            shutil.copytree(code / part, project / part, ignore=ignored)
        return Tree(name, code, project)

    def previous(self, given: str) -> Tree:
        """The tree of a revision, set up anew, or of a folder that is ready. Raises CalledProcessError."""
        code = Path(given)
        if not (code / ".venv").is_dir():
            code = clone(REPOSITORY, self.folder / "previous", given)
            subprocess.run(["make", "-s", "setup"], cwd=code, env=installing(), check=True, stdout=subprocess.DEVNULL)
        return self.tree("previous", code)


def as_url(connection_string: str) -> str:
    """Return the connection as a URL, which every peer reads."""
    known = {name: str(value) for name, value in conninfo_to_dict(connection_string).items()}
    user, password = (quote(known.pop(name, ""), safe="") for name in ("user", "password"))
    account = f"{user}:{password}" if password else user
    return f"postgresql://{account}@/{quote(known.pop('dbname', ''), safe='')}?{urlencode(known)}"


def clone(repository: Path, folder: Path, revision: str = "HEAD") -> Path:
    """A fresh clone of a repository at a revision."""
    for command in (
        ["git", "clone", "--quiet", "--no-checkout", str(repository), str(folder)],
        ["git", "-C", str(folder), "checkout", "--quiet", "--detach", revision],
    ):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return folder


def installing() -> dict[str, str]:
    """The environment of a set-up: with where packages come from."""
    more = {name: value for name, value in os.environ.items() if name.upper().startswith(_PACKAGES)}
    return inherited() | more


def inherited() -> dict[str, str]:
    """The environment of every measured command: nothing that would change what it does."""
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}


@contextmanager
def place(environment: Mapping[str, str]) -> Iterator[Place]:
    """A folder that is gone afterwards, and the server of DATABASE_URL, or one of its own when that is not set."""
    folder = Path(tempfile.mkdtemp(prefix="mock2pg-benchmark-"))
    folder.chmod(0o755)
    given = environment.get("DATABASE_URL")
    server = None if given else Server(folder / "server", keep=False)
    try:
        yield Place(folder, given or (server.start() if server else ""))
    finally:
        if server:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
