"""A process that migrates over and over holds no more than after its first times."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mock2pg.settings import REPOSITORY
from tests.fix_small import small_project

MIB = 1 << 20
WARM = 3  # times after which caches are filled: the backup and the rows of the time before are there
PER_TIME = {"objects": 300, "memory": MIB // 4}  # each time; a run that is kept forever has thousands of objects
AT_ONCE = {"objects": 2_000, "memory": 24 * MIB}  # what an allocator keeps, however often


@pytest.fixture
def times(request: pytest.FixtureRequest) -> int:
    given: int = request.config.getoption("--times")
    return given


def test_a_process_that_migrates_over_and_over_leaks_nothing(times: int, database: str, tmp_path: Path) -> None:
    """Sessions, schemas, open files, processes, threads and temporary files stay the same; memory stops growing."""
    (tmp_path / "temporary").mkdir()
    environment = {"HOME": os.environ["HOME"], "PATH": os.environ["PATH"], "TMPDIR": str(tmp_path / "temporary")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.fix_repeated", database, small_project(tmp_path), str(times)],
        cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    held = [json.loads(line) for line in done.stdout.splitlines()]
    print("\n" + "\n".join(map(json.dumps, held[:WARM] + held[-1:])))  # noqa: T201  shown with -s
    assert len(held) == times
    warm, last = held[WARM - 1], held[-1]
    for name, before in warm.items():
        if name in PER_TIME:
            most = before + AT_ONCE[name] + PER_TIME[name] * (times - WARM)
            assert last[name] <= most, f"{name}: {[each[name] for each in held]}"
        else:
            assert last[name] == before, name
    assert last["sessions"] == []
