"""The page answers the person who has its address, for reading, and shows files of runs/ alone."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mock2pg.errors import UsageError
from mock2pg.watch import address, app, files, state
from mock2pg.watch.address import Address
from mock2pg.watch.app import Watch

RUN = "2026-11-22T10-30-00-000Z"
HERE = Address(8088, "the-token")
GOOD = "127.0.0.1:8088"


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def ask(watch: Watch, path: str, *, method: str = "GET", hosts: Sequence[str] = (GOOD,), kind: str = "http") -> Answer:
    """One request, as a server hands it to the app."""
    answer, given = Answer(), iter([{"type": "http.request", "body": b""}])

    async def receive() -> MutableMapping[str, Any]:
        return next(given, {"type": "http.disconnect"})

    async def send(message: MutableMapping[str, Any]) -> None:
        answer.status = message.get("status", answer.status)
        answer.headers |= {name.decode(): value.decode() for name, value in message.get("headers", ())}
        answer.body += message.get("body", b"")

    headers = [(b"host", host.encode()) for host in hosts]
    scope = {"type": kind, "method": method, "path": path, "query_string": b"", "raw_path": b"",
             "headers": headers, "http_version": "1.1", "scheme": "http", "server": ("127.0.0.1", 8088)}  # fmt: skip
    asyncio.run(app.app(watch, HERE)(scope, receive, send))
    return answer


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a run, and with what must not be read."""
    for name, text in {
        "runs/index.html": "all runs",
        f"runs/.site/{RUN}-newer.html": "newer",
        f"runs/{RUN}/index.html": "a report",
        f"runs/{RUN}/record.json": "{}",
        f"runs/{RUN}/staged.duckdb": "SECRET",
        f"runs/{RUN}/.hidden.html": "SECRET",
        "runs/.site/.hidden.html": "SECRET",
        f"runs/{RUN}/.private/page.html": "SECRET",
        ".env": "SECRET",
        "secret.html": "SECRET",
        "backups/b.json": "SECRET",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    runs = tmp_path / "runs"
    (runs / "latest").symlink_to(RUN, target_is_directory=True)
    (runs / RUN / "out.html").symlink_to(tmp_path / "secret.html")
    (runs / RUN / "folder").symlink_to(tmp_path, target_is_directory=True)
    (runs / RUN / "data.html").symlink_to("staged.duckdb")
    (runs / RUN / "hidden.html").symlink_to(".hidden.html")
    (runs / RUN / "a.html").mkdir()
    os.mkfifo(runs / RUN / "pipe.html")
    return tmp_path


@pytest.fixture
def watch(project: Path) -> Watch:
    return Watch(project / "runs", lambda: RUN)


REFUSED: dict[str, tuple[int, dict[str, Any]]] = {
    "no token": (404, {"path": "/"}),
    "no token for a file": (404, {"path": f"/runs/{RUN}/index.html"}),
    "another token": (404, {"path": "/the-tokem/"}),
    "the token's beginning": (404, {"path": "/the-toke/"}),
    "more than the token": (404, {"path": "/the-token2/"}),
    "the token without its slash": (404, {"path": "/the-token"}),
    "a token of other letters": (404, {"path": "/the-tokén\udcff/"}),
    "a token in the query": (404, {"path": "/?token=the-token"}),
    "another name of this machine": (421, {"path": "/the-token/", "hosts": ("evil.test:8088",)}),
    "another port": (421, {"path": "/the-token/", "hosts": ("127.0.0.1:8089",)}),
    "no port": (421, {"path": "/the-token/", "hosts": ("127.0.0.1",)}),
    "a name that begins like ours": (421, {"path": "/the-token/", "hosts": ("localhost:8088.evil.test",)}),
    "two names": (421, {"path": "/the-token/", "hosts": (GOOD, "evil.test")}),
    "no name": (421, {"path": "/the-token/", "hosts": ()}),
    **{method: (405, {"path": "/the-token/", "method": method})
       for method in ("HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT")},
    "what is not there": (404, {"path": "/the-token/nothing"}),
    "a folder without its slash": (404, {"path": "/the-token/runs"}),
}  # fmt: skip


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
def test_others_are_refused(refused: tuple[int, dict[str, Any]], watch: Watch) -> None:
    """Without the token, from another site's name, and for anything but reading, there is no page."""
    status, request = refused
    answer = ask(watch, **request)
    assert answer.status == status
    assert b"report" not in answer.body
    assert answer.headers["cache-control"] == "no-store"
    assert not any(name.startswith("access-control") for name in answer.headers)


def test_a_web_socket_is_refused(watch: Watch) -> None:
    """There is none to talk to, whatever the token."""
    assert ask(watch, "/the-token/", kind="websocket").status == 0


@pytest.mark.parametrize("host", ["127.0.0.1:8088", "localhost:8088"])
def test_the_page_is_given_with_what_a_browser_may_do(host: str, watch: Watch) -> None:
    """Its one script runs by a nonce that is new each time; nothing is loaded from elsewhere, kept or framed."""
    first, second = ask(watch, "/the-token/", hosts=(host,)), ask(watch, "/the-token/", hosts=(host,))
    assert first.status == 200
    policy = first.headers["content-security-policy"]
    nonce = policy.split("'nonce-")[1].split("'")[0]
    assert f'<script nonce="{nonce}">'.encode() in first.body
    assert first.body.count(b"<script") == 1
    assert second.headers["content-security-policy"] != policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert first.headers["referrer-policy"] == "no-referrer"
    assert first.headers["x-content-type-options"] == "nosniff"
    assert HERE.token.encode() not in first.body


SHOWN = {
    "runs/index.html": b"all runs",
    "runs/": b"all runs",
    f"runs/.site/{RUN}-newer.html": b"newer",
    f"runs/{RUN}/index.html": b"a report",
    f"runs/{RUN}/": b"a report",
    "runs/latest/index.html": b"a report",
    f"runs/{RUN}/record.json": b"{}",
}
HIDDEN = [
    f"runs/{RUN}", f"runs/{RUN}/staged.duckdb", f"runs/{RUN}/.hidden.html", "runs/.site/.hidden.html",
    f"runs/{RUN}/.private/page.html", "runs/../.env", "runs/../secret.html", f"runs/{RUN}/../../secret.html",
    "runs//etc/passwd", "runs/%2e%2e/secret.html", "runs/..\\secret.html", f"runs/{RUN}/out.html",
    f"runs/{RUN}/folder/secret.html", f"runs/{RUN}/data.html", f"runs/{RUN}/hidden.html", f"runs/{RUN}/a.html",
    f"runs/{RUN}/pipe.html", f"runs/{RUN}/nothing.html", "runs/\0.html", f"runs/{'a' * 5000}.html", "backups/b.json",
    f"runs/{RUN}/.site/index.html", "runs/latest/../../secret.html",
]  # fmt: skip


@pytest.mark.parametrize("path", SHOWN)
def test_reports_and_what_they_link_to_are_shown(path: str, watch: Watch) -> None:
    """A file of runs/ has a type, and may run no script."""
    answer = ask(watch, f"/the-token/{path}")
    assert (answer.status, answer.body) == (200, SHOWN[path])
    assert answer.headers["content-type"] in ("text/html; charset=utf-8", "application/json")
    assert "script-src" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", HIDDEN)
def test_no_other_file_is_shown(path: str, watch: Watch) -> None:
    """Nothing outside of runs/, hidden, of another kind, or reached by a link that leads there."""
    answer = ask(watch, f"/the-token/{path}")
    assert answer.status == 404
    assert b"SECRET" not in answer.body
    assert files.read(watch.runs, path.removeprefix("runs/")) is None


def test_a_port_that_is_taken_is_refused_by_name() -> None:
    """A free one is on loopback alone; its token is new each time."""
    listening, first = address.listen(0)
    with listening:
        assert listening.getsockname()[0] == "127.0.0.1"
        with pytest.raises(UsageError, match=rf"cannot listen on 127\.0\.0\.1:{first.port}: Address already in use"):
            address.listen(first.port)
        other, second = address.listen(0)
        other.close()
    assert first.token != second.token
    assert first.url == f"http://127.0.0.1:{first.port}/{first.token}/"


def test_a_browser_is_led_by_a_file_that_nobody_else_can_read(tmp_path: Path) -> None:
    """Other users see the arguments of a browser, and must not find the token there."""
    (tmp_path / "watch.html").write_text("an old one")
    page = HERE.page(tmp_path)
    assert page.stat().st_mode & 0o777 == 0o600
    assert HERE.url in page.read_text()


async def take(events: AsyncIterator[str], number: int) -> list[str]:
    return [await anext(events) for _ in range(number)]


def test_events_tell_what_changed_until_the_end(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state is sent once; a page that is left or told of the end is no longer counted."""
    monkeypatch.setattr(app, "_EVERY", 0.0)
    words = iter(["Running", "Running", "Succeeded"])
    monkeypatch.setattr(state, "of_run", lambda *_: {"word": next(words, "Succeeded")})
    monkeypatch.setattr(state, "listed", lambda _: {})

    async def scenario() -> list[str]:
        left = app._events(watch)
        await take(left, 1)
        assert watch.streams == 1
        await left.aclose()  # type: ignore[attr-defined]
        assert watch.streams == 0
        events = app._events(watch)
        seen = await take(events, 3)
        watch.ending = True
        seen += [event async for event in events]
        assert watch.streams == 0
        return seen

    seen = asyncio.run(scenario())
    assert seen[0] == "retry: 1000\n\n"
    assert [json.loads(event.split("data: ")[1])["word"] for event in seen[1:3]] == ["Running", "Succeeded"]
    assert seen[-1] == "event: end\ndata: {}\n\n"


def test_a_page_that_says_nothing_is_noticed_when_it_is_gone(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment is sent now and then while nothing changes; too many open pages are refused."""
    monkeypatch.setattr(app, "_EVERY", 0.0)
    monkeypatch.setattr(app, "_SILENT", 0.0)
    monkeypatch.setattr(state, "of_run", lambda *_: {})
    monkeypatch.setattr(state, "listed", lambda _: {})
    assert asyncio.run(take(app._events(watch), 3))[2] == ":\n\n"
    monkeypatch.setattr(app, "_STREAMS", 0)
    assert ask(watch, "/the-token/events").status == 503
