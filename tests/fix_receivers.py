"""Servers that receive notifications: a webhook and a mail server, on loopback."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

_ANSWERS = {b"EHLO": b"250-here\r\n250 AUTH PLAIN\r\n", b"AUTH": b"235 ok\r\n"}


@dataclass
class Receiver:
    """The messages that arrived: `raw` is every byte, `messages` are (kind, title, text)."""

    url: str = ""
    status: int = 200
    raw: list[bytes] = field(default_factory=list)
    messages: list[tuple[str, str, str]] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)  # set: requests are answered
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def take(self, raw: bytes, kind: str, title: str, text: str) -> None:
        self.raw.append(raw)
        self.messages.append((kind, title, text))
        self.arrived.release()

    @property
    def titles(self) -> list[str]:
        return [title for _, title, _ in self.messages]


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def receiving_posts() -> Iterator[Receiver]:
    """A server for apprise's json:// service."""
    received = Receiver()
    received.hold.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            given = json.loads(body)
            received.take(str(self.headers).encode() + body, given["type"], given["title"], given["message"])
            received.hold.wait(30)
            self.send_response(received.status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    received.url = f"json://127.0.0.1:{server.server_port}/hook-secret"
    with _serving(server):
        yield received
        received.hold.set()


@contextmanager
def receiving_mail() -> Iterator[Receiver]:
    """A mail server that takes every letter."""
    received = Receiver()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            for line in self.rfile:
                verb = line.strip().upper()[:4]
                if verb == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    self._letter()
                elif verb == b"QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                self.wfile.write(_ANSWERS.get(verb, b"250 ok\r\n"))

        def _letter(self) -> None:
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                lines.append(line)
            raw = b"".join(lines)
            letter = message_from_bytes(raw, policy=policy.default)
            body = letter.get_body(("plain",))  # type: ignore[attr-defined]
            received.take(raw, "", str(letter["Subject"]), body.get_content())

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    place = f"127.0.0.1:{server.server_address[1]}"
    received.url = f"mailtos://writer:mail-secret@{place}?smtp=127.0.0.1&mode=insecure&from=a@b.test&to=c@d.test"
    with _serving(server):
        yield received


@pytest.fixture
def webhook() -> Iterator[Receiver]:
    with receiving_posts() as received:
        yield received
