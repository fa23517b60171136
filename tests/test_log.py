"""The log: one line a message, on the console and in a file for its owner alone."""

from __future__ import annotations

import logging
import re
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from mock2pg import log as log_module
from mock2pg import settings as settings_module
from mock2pg.log import log, start, timestamp


@pytest.fixture(autouse=True)
def _handlers_as_before() -> Iterator[None]:
    before, level = list(log.handlers), log.level
    yield
    for handler in set(log.handlers) - set(before):
        log.removeHandler(handler)
        handler.close()
    log.setLevel(level)
    log.propagate = True


def test_a_line_is_a_moment_and_a_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`[2026-11-22T10:30:00.000Z] text`, the same on the console and in the file."""
    settings = settings_module.load(project=tmp_path)
    start(settings)
    log.info("%s rows of %s", 5, "é")
    line = settings.log_file.read_text(encoding="utf-8")
    assert re.fullmatch(r"\[20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\] 5 rows of é\n", line)
    captured = capsys.readouterr()
    assert (captured.err, captured.out) == (line, "")


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 22, 10, 30, tzinfo=UTC), "2026-11-22T10:30:00.000Z"),
        (datetime(2026, 11, 22, 10, 30, 0, 999_999, tzinfo=UTC), "2026-11-22T10:30:00.999Z"),
        (datetime(2026, 11, 22, 10, 30, 0, 5_000, tzinfo=UTC), "2026-11-22T10:30:00.005Z"),
        (datetime(2027, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))), "2026-12-31T23:30:00.000Z"),
    ],
)
def test_a_moment_is_written_in_utc_with_milliseconds(moment: datetime, text: str) -> None:
    """Cut to the millisecond and not rounded, so that no time is in the future."""
    assert timestamp(moment) == text


def test_a_log_file_that_cannot_be_opened_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The console says so once, and goes on."""
    (tmp_path / "logs").write_text("no folder")
    start(settings_module.load(project=tmp_path))
    log.info("one\n[2026-11-22T10:30:00.000Z] two\x1b[2J")
    said = capsys.readouterr().err.splitlines()
    assert [line[27:] for line in said[:2]] == ["⚠ logs/migration.log cannot be written: Not a directory", "one"]
    assert said[2] == "  [2026-11-22T10:30:00.000Z] two\\x1b[2J"  # a line of a text is no line of the log


def test_the_file_is_for_its_owner_alone_and_grows(tmp_path: Path) -> None:
    """0600 in a folder of 0700; a later run adds to it."""
    settings = settings_module.load(project=tmp_path)
    for text in ("first", "second"):
        start(settings, console=False)
        log.info(text)
    assert [line[27:] for line in settings.log_file.read_text().splitlines()] == ["first", "second"]
    assert stat.S_IMODE(settings.log_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.log_file.parent.stat().st_mode) == 0o700


def test_starting_twice_writes_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second service in one process replaces the handlers of the first."""
    other = settings_module.load(project=tmp_path / "other")
    start(settings_module.load(project=tmp_path))
    start(other)
    log.info("once")
    assert capsys.readouterr().err.count("once") == 1
    assert (tmp_path / "logs" / "migration.log").read_text() == ""
    assert len(log.handlers) == 2


@pytest.mark.parametrize(
    ("level", "debug", "seen"),
    [
        ("debug", "", "DIWE"),
        ("info", "migration:*", "DIWE"),
        ("info", "", "IWE"),
        ("warning", "", "WE"),
        ("error", "", "E"),
    ],
)
def test_the_level_says_how_much_is_shown(level: str, debug: str, seen: str, tmp_path: Path) -> None:
    """Messages below the level that was asked for are not written."""
    settings = settings_module.load(project=tmp_path, log_level=level, debug=debug)
    start(settings, console=False)
    for name in ("DEBUG", "INFO", "WARNING", "ERROR"):
        log.log(getattr(logging, name), name[0])
    assert "".join(line[-1] for line in settings.log_file.read_text().splitlines()) == seen


def test_an_exception_adds_no_text_of_its_own(tmp_path: Path) -> None:
    """Tracebacks quote lines and values; the log shows the message alone."""
    settings = settings_module.load(project=tmp_path)
    start(settings, console=False)
    try:
        raise ValueError("Canary7291")
    except ValueError:
        log.exception("it went wrong")
    assert settings.log_file.read_text()[27:] == "✘ it went wrong\n"


def test_nothing_reaches_the_loggers_of_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A program that uses mock2pg does not find its log twice."""
    start(settings_module.load(project=tmp_path), console=False)
    log.warning("ours")
    assert caplog.records == []


def test_a_run_has_a_log_of_its_own(tmp_path: Path) -> None:
    """The messages of a run, and none after it, are in a file of 0600 beside the other one."""
    settings = settings_module.load(project=tmp_path)
    start(settings, console=False)
    own = tmp_path / "run.log"
    with pytest.raises(ValueError, match="under way"), log_module.also_to(own):  # noqa: PT012
        log.info("during")
        raise ValueError("under way")
    log.info("after")
    assert own.read_text()[27:] == "during\n"
    assert stat.S_IMODE(own.stat().st_mode) == 0o600
    assert len(settings.log_file.read_text().splitlines()) == 2
