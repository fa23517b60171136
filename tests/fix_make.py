"""`make` in a copy of the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mock2pg.settings import REPOSITORY
from tests.fix_terminal import Terminal


@dataclass(frozen=True)
class Make:
    """`make` in the folder `copy`, as a program or on a terminal of 80 columns."""

    copy: Path
    environment: dict[str, str]

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", "--no-print-directory", *arguments],
            cwd=self.copy,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def on_terminal(self, *arguments: str) -> list[str]:
        """Run make and return the lines that are shown in the end."""
        terminal = Terminal()
        command = ["make", "--no-print-directory", "-C", str(self.copy), *arguments]
        process = terminal.run(command, **{**self.environment, "TERM": "xterm-256color", "LANG": "C.UTF-8"})
        shown = terminal.read()
        process.wait()
        os.close(terminal.ours)
        return shown


def without_postgres(folder: Path) -> Path:
    """A folder that links to every program on the PATH but PostgreSQL's."""
    folder.mkdir()
    for place in os.environ["PATH"].split(":"):
        for program in Path(place).glob("*"):
            if not re.match(r"psql|pg_|postgres", program.name) and not (folder / program.name).is_symlink():
                (folder / program.name).symlink_to(program)
    return folder


def installed(copy: Path) -> None:
    """An environment of the copy's own, of links to what is installed, but for the copy's own code."""
    packages = Path(sysconfig.get_paths()["purelib"])
    links = copy / ".venv" / packages.relative_to(sys.prefix)
    for target, folder in ((packages, links), (Path(sys.executable).parent, copy / ".venv" / "bin")):
        folder.mkdir(parents=True)
        for part in target.iterdir():
            (folder / part.name).symlink_to(part)
    (links / "mock2pg.pth").unlink()
    (links / "mock2pg.pth").write_text(f"{copy / 'src'}\n")
    for part in ("pyvenv.cfg", "share"):
        (copy / ".venv" / part).symlink_to(Path(sys.prefix, part))
    (copy / ".venv" / ".ready").touch()


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """`make` in a copy of the files that git tracks, with the installed packages but the copy's own code."""
    home = tmp_path_factory.mktemp("make")
    copy = home / "a new folder"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout
    for name in tracked.decode().rstrip("\0").split("\0"):
        if (REPOSITORY / name).is_file() or (REPOSITORY / name).is_symlink():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, copy / name, follow_symlinks=False)
    installed(copy)

    programs = without_postgres(home / "programs")

    # what an outer make says to its own children is not for this one
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "ARGS"))}

    run = Make(copy, {**inherited, "PATH": str(programs)})
    yield run
    run("clean")
