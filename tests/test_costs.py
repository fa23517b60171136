"""The costs of a command, in counts: no clock is read, so a busy machine gives the figures of an idle one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mock2pg import postgres
from mock2pg.postgres.server import Server
from mock2pg.runs import Run, open_run
from mock2pg.settings import REPOSITORY, Settings

Counts = dict[str, int]
LIMITS: dict[str, Counts] = tomllib.loads((REPOSITORY / "tests" / "data" / "costs.toml").read_text())

# The command as `mock2pg` starts it, but for a module that counts, which every Python that it starts imports, too. A
# distribution may have one of that name.
COUNTING = REPOSITORY / "tests" / "data" / "counting"
COMMAND = f"import sys; sys.path.insert(0, {str(COUNTING)!r}); sys.modules.pop('sitecustomize', None); "
COMMAND += f"import sitecustomize; sys.path += {sys.path!r}; "
COMMAND += "import mock2pg.__main__; mock2pg.__main__.main()"

# and autovacuum, whose transactions are nobody's cost, is off meanwhile
_LOGGED = {"log_statement": "all", "log_connections": "on", "log_line_prefix": "%a|", "autovacuum": "off"}


def run(file: Path, *arguments: str, settings: Settings | None = None) -> Counts:
    """Run a command; its processes, and the modules that its main process had imported when it ended."""
    environment = {"HOME": os.environ["HOME"], "PATH": os.environ["PATH"], "_MOCK2PG_COUNTS": str(file)}
    environment |= settings.environment() if settings else {}
    process = subprocess.Popen(
        [sys.executable, "-E", "-P", "-c", COMMAND, *arguments],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    said, _ = process.communicate()
    assert process.returncode == 0, said
    noted = file.read_text().splitlines()
    (modules,) = [line.split()[2] for line in noted if line.startswith(f"modules {process.pid} ")]
    return {"processes": sum(line.startswith("process ") for line in noted), "modules": int(modules)}


@contextmanager
def logged(server: Server) -> Iterator[Path]:
    """The log of a server that logs all that it is asked."""
    with postgres.connect(server.url(), name="counting") as connection:
        for name, value in _LOGGED.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")  # type: ignore[arg-type]
        connection.execute("SELECT pg_reload_conf()")
        (log,) = server.home.glob("data*/server.log")
        try:
            yield log
        finally:
            for name in _LOGGED:
                connection.execute(f"ALTER SYSTEM RESET {name}")  # type: ignore[arg-type]
            connection.execute("SELECT pg_reload_conf()")


def number(connection: postgres.Connection, query: str) -> int:
    row = connection.execute(query).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return int(row[0])


def asked(log: str) -> Counts:
    """The statements and sessions in a server's log, without the test's own."""
    others = [line for line in log.splitlines() if not line.startswith("mock2pg counting|")]
    return {
        "statements": sum(bool(re.match(r"[^|]*\|LOG:  (statement|execute )", line)) for line in others),
        "sessions": sum("LOG:  connection authorized" in line and "counting" not in line for line in others),
    }


def unchanged(server: Server, settings: Settings, folder: Path) -> tuple[Counts, Run]:
    """Migrate the sample, which the target holds already."""
    with logged(server) as log, postgres.connect(settings.url, name="counting") as connection:
        began = number(connection, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")
        next_transaction = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text"
        transactions = number(connection, next_transaction)
        position = log.stat().st_size
        counts = run(folder / "counts", "migrate", settings=settings)
        with log.open(encoding="utf-8", errors="replace") as text:
            text.seek(position)
            counts |= asked(text.read())
        counts["wal_bytes"] = number(connection, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')") - began
        counts["transactions"] = number(connection, next_transaction) - transactions
    done = open_run(settings)
    load = done.read("steps/load.json")["data"]
    return counts | {"dbt_nodes": load["models"] + load["tests"]}, done


def test_help_imports_no_more_than_its_limit(tmp_path: Path) -> None:
    """`mock2pg --help` needs no framework and starts no process."""
    counts = run(tmp_path / "counts", "--help")
    assert counts.pop("processes") == 0
    held("help", counts)


def held(command: str, counts: Counts) -> None:
    """All counts have a limit and are within it; they are printed."""
    limits = LIMITS[command]
    lines = [f"{command} {name} = {counts[name]:,} (limit {limits[name]:,})" for name in sorted(counts)]
    print("\n" + "\n".join(lines))  # noqa: T201  shown with -s
    assert limits.keys() == counts.keys()
    over = [line for line, name in zip(lines, sorted(counts), strict=True) if counts[name] > limits[name]]
    assert over == [], "make it cheaper, or raise the limit in tests/data/costs.toml and say why"
