"""The server of the page lives as long as somebody may look at it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import uvicorn
from uvicorn.server import ServerState

from mock2pg import browser as browser_module
from mock2pg.settings import Settings, load
from mock2pg.watch import access, beside, served, serving
from mock2pg.watch.address import Address
from mock2pg.watch.app import Watch
from tests.fix_watch import begin


def test_any_run_is_watched_until_ctrl_c(settings: Settings) -> None:
    """Without a run the page waits for one. Ctrl-C ends the command, which has succeeded, and the page is told."""
    process, url = begin(settings, "watch", "--no-browser")
    with pytest.raises(urllib.error.HTTPError, match="421"):
        urllib.request.urlopen(urllib.request.Request(url, headers={"Host": "evil.test"}))
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(url.replace(url[-10:], "x" * 9 + "/"))
    with urllib.request.urlopen(f"{url}events") as events:
        assert events.headers["content-type"] == "text/event-stream; charset=utf-8"
        first = b"".join(events.readline() for _ in range(4))
        assert b'"word": "Waiting"' in first
        process.send_signal(signal.SIGINT)
        assert b"event: end\n" in events.read()
    assert process.wait(30) == 0
    assert process.stdout
    assert process.stderr
    assert (process.stdout.read(), process.stderr.read()) == ("", "")
    process.stdout.close()
    process.stderr.close()


@pytest.mark.parametrize(
    ("open_pages", "since_end", "since_seen", "over"),
    [(0, 0, 0, False), (1, 200, 200, False), (0, 20, 9, False), (0, 20, 10, True), (1, 300, 0, True)],
)
def test_a_page_is_served_a_while_after_the_run(
    open_pages: int, since_end: float, since_seen: float, over: bool
) -> None:
    """As long as somebody has it open, up to a limit, and a moment for whoever comes back."""
    assert served.is_over(open_pages, since_end, since_seen) is over


def test_the_server_ends_when_the_command_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of its input is the end of the command, whether it had a run or was killed."""
    monkeypatch.setattr(served, "_UNSEEN", 0.0)
    watch = Watch(tmp_path / "runs", lambda: None)
    reading, writing = os.pipe()
    os.close(writing)
    asyncio.run(served._until_seen(watch, reading)())
    os.close(reading)


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: h\r\n\r\nGET"])
def test_who_asks_for_nothing_keeps_nobody_out(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection ends where no request becomes complete, so that the number of connections is no use to others."""
    monkeypatch.setattr(serving, "_IDLE", 0.05)

    async def answered() -> bytes:
        config = uvicorn.Config(access.Guarded(app, Address(1, "token")), lifespan="off", log_config=None)
        config.load()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: serving._Connection(config, ServerState(), {}), "127.0.0.1")
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(sent)
        answer = await asyncio.wait_for(reader.read(), 60)
        writer.close()
        server.close()
        return answer

    async def app(*_: object) -> None:
        raise AssertionError

    assert asyncio.run(answered())[:12] == (b"HTTP/1.1 421" if b"\r\n" in sent else b"")


def test_the_page_of_a_command_shows_its_own_run(tmp_path: Path) -> None:
    """A server of its own answers, with the token that the command has made, and knows whose run to show."""
    project = tmp_path / "project"
    (project / "dbt_project").mkdir(parents=True)
    settings = load(project=project)
    with beside.watched(settings) as address:
        server = beside._servers.pop()
        with urllib.request.urlopen(address.url) as page:
            assert b"mock2pg watch" in page.read()
        (line,) = Path(f"/proc/{server.pid}/cmdline").read_bytes().split(b"\n") if Path("/proc").exists() else (b"",)
        assert address.token.encode() not in line
    assert server.stdin
    assert server.stdin.closed
    server.terminate()
    assert server.wait(30) == 0
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", address.port)):
                break


def test_without_a_display_no_browser_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One for the terminal would take it; with a display it is asked for a file, whose name is no secret."""
    started: list[list[str]] = []
    monkeypatch.setattr(browser_module.subprocess, "Popen", lambda program, **_: started.append(program))
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not browser_module.opened(tmp_path / "a page.html")
    monkeypatch.setenv("DISPLAY", ":0")
    assert browser_module.opened(tmp_path / "a page.html")
    assert [program[-1] for program in started] == [(tmp_path / "a page.html").resolve().as_uri()]
