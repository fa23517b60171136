"""Output that cannot be written decides nothing, and nothing in it can steer a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mock2pg.text import as_json, counted, duration, identity, lines, printable
from tests.fix_small import small_document, small_project

_PRINTS = (
    "from mock2pg.streams import guard; guard(); import sys\n"
    "for _ in range(3000): print('✔ é' * 10); print('✔ é', file=sys.stderr)\n"
    "sys.exit(5)"
)


def shell(command: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A line of bash, in which "$@" is this Python with the arguments."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command, "bash", sys.executable, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize(
    "command",
    [
        '"$@" | head -c 1',
        '"$@" 2>&1 | head -c 1',
        '"$@" > /dev/full',
        '"$@" 2> /dev/full',
        '"$@" > /dev/full 2>&1',
        '"$@" >&-',
        '"$@" 2>&-',
        '"$@" <&- >&- 2>&-',
        'PYTHONIOENCODING=latin-1 "$@"',
        'PYTHONIOENCODING=ascii "$@"',
    ],
)
def test_output_that_cannot_be_written_changes_no_exit_code(command: str) -> None:
    """A reader that has enough, a full disk, a closed stream, a terminal of few letters: nothing is raised, also when
    the interpreter ends."""
    done = shell(command, "-c", _PRINTS)
    assert done.returncode == 5
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


def test_a_terminal_of_few_letters_is_given_what_it_has() -> None:
    """Marks become words, pictures a star, and other letters their escape."""
    done = shell('"$@"', "-c", "from mock2pg.streams import guard; guard(); print('✔ ⚠️ 📥 é Ω …')",
                 PYTHONIOENCODING="latin-1")  # fmt: skip
    assert done.stdout.decode("latin-1") == "ok warning * é \\u03a9 ...\n"


def test_a_closed_stream_does_not_lend_its_number() -> None:
    """A file that is opened later never receives what is printed."""
    script = "from mock2pg.streams import guard; guard(); import os; print(os.open('/dev/null', os.O_RDONLY) > 2)"
    done = shell('"$@" <&- >&- 2>&-; echo $?', "-c", script + "; assert os.fstat(1)")
    assert done.stdout == b"0\n"


def test_a_finished_check_has_its_exit_code_wherever_its_output_goes(tmp_path: Path) -> None:
    """Standard output and logs/ on a full disk: one warning each, and 0."""
    project = small_project(tmp_path)
    (project / "logs").mkdir()
    (project / "logs" / "migration.log").symlink_to("/dev/full")
    (source := project / "db.json").write_text(json.dumps(small_document("Rex")))
    done = shell('"$@" > /dev/full', "-m", "mock2pg", "check", str(source), MIGRATION_PROJECT=str(project))
    said = done.stderr.decode()
    assert done.returncode == 0, said
    assert said.count("logs/migration.log cannot be written") == 1
    assert said.endswith("standard output cannot be written: No space left on device\n")
    assert "Logging error" not in said


def test_a_command_that_only_prints_fails_when_it_cannot(tmp_path: Path) -> None:
    """An empty file is no list of backups; a reader that has enough is no failure, and JSON stays JSON."""
    environment = {"MIGRATION_PROJECT": str(tmp_path)}
    full = shell('"$@" > /dev/full', "-m", "mock2pg", "backups", **environment)
    assert full.returncode == 2
    assert b"standard output cannot be written: No space left on device" in full.stderr
    assert shell('"$@" | true', "-m", "mock2pg", "backups", **environment).returncode == 0
    unable = shell('"$@"', "-m", "mock2pg", "report", "é\x9b", "--json", **environment, PYTHONIOENCODING="latin-1")
    assert json.loads(unable.stdout)["error"]["message"].endswith(r"é\x9b")
    assert unable.returncode == 2


def test_what_could_steer_a_terminal_is_escaped() -> None:
    """Escape sequences, line breaks and changes of direction; line breaks of our own stay, JSON stays JSON."""
    assert printable("a\x1b[2J\n\x9b\u202e\udc80é") == "a\\x1b[2J\\n\\x9b\\u202e\\udc80é"
    assert lines("a\n\rb") == "a\n\\rb"
    assert json.loads(as_json(["\x9b\u202eé\n"])) == ["\x9b\u202eé\n"]
    assert as_json(["\x9b\u202eé"]) == '[\n  "\\u009b\\u202eé"\n]'


def test_an_id_is_cut() -> None:
    """At 200 characters as they are shown, so that no row can fill a screen."""
    assert identity("x" * 200) == "x" * 200
    assert identity("x" * 201) == "x" * 199 + "…"
    assert len(identity("\x1b" * 10**6)) == 200


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.016, "0.02 s"), (4.21, "4.2 s"), (59.96, "1 min 0 s"), (72, "1 min 12 s"), (7500, "2 h 5 min")],
)  # fmt: skip
def test_a_duration_is_read_in_one_look(seconds: float, text: str) -> None:
    """Two units at most, and never milliseconds."""
    assert duration(seconds) == text


def test_one_thing_is_not_many() -> None:
    """1 user, 2 users, with separators."""
    assert [counted(number, "user") for number in (0, 1, 2000)] == ["0 users", "1 user", "2,000 users"]
