"""A transaction pooler: clients log in to it, and each of their transactions is given the next free session."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from psycopg import conninfo

_LOGIN = 196608  # protocol 3.0


class Pooler:
    """`size` sessions of the database for any number of clients, one transaction at a time.

    With none, clients log in and wait, or are given an error for the first thing that they ask.
    """

    def __init__(self, url: str, home: Path, size: int, error: str) -> None:
        self._known = conninfo.conninfo_to_dict(url)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(home / f".s.PGSQL.{self._known['port']}"))
        self._listening.listen()
        self._size, self._free, self._made = size, deque[socket.socket](), 0
        self._error = error
        self._change, self._closed = threading.Condition(), False
        self._numbers, self.clients = itertools.count(1), 0
        self.url = conninfo.make_conninfo(url, host=str(home))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()
        with self._change:
            self._closed = True
            self._change.notify_all()
        for session in self._free:
            session.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client = self._listening.accept()[0]
                self.clients += 1
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, ConnectionError), client:
            while _login(client) != _LOGIN:
                client.sendall(b"N")  # neither TLS nor GSSAPI
            if self._size:
                self._give(self._take())
            client.sendall(_message(b"R", struct.pack("!i", 0)))
            for name, value in (("server_version", "18.0"), ("client_encoding", "UTF8"), ("DateStyle", "ISO")):
                client.sendall(_message(b"S", f"{name}\0{value}\0".encode()))
            client.sendall(_message(b"K", struct.pack("!ii", next(self._numbers), 7)) + _message(b"Z", b"I"))
            if self._error:
                _read(client)
                client.sendall(_message(b"E", f"SFATAL\0VFATAL\0C08P01\0M{self._error}\0\0".encode()))
                return
            while True:
                self._transaction(client)

    def _transaction(self, client: socket.socket) -> None:
        kind, body = _read(client)
        if kind == b"X":
            raise ConnectionError
        session = self._take()
        try:
            while True:
                session.sendall(_message(kind, body))
                if kind in (b"Q", b"S"):
                    while True:
                        answer, text = _read(session)
                        client.sendall(_message(answer, text))
                        if answer == b"Z":
                            break
                    if text == b"I":
                        return
                kind, body = _read(client)
        finally:
            self._give(session)

    def _take(self) -> socket.socket:
        with self._change:
            while not self._free and self._made == self._size:
                self._change.wait()
                if self._closed:
                    raise ConnectionError
            if self._free:
                return self._free.popleft()
            self._made += 1
        return self._login()

    def _give(self, session: socket.socket) -> None:
        with self._change:
            self._free.append(session)
            self._change.notify()

    def _login(self) -> socket.socket:
        session = socket.socket(socket.AF_UNIX)
        session.connect(f"{self._known['host']}/.s.PGSQL.{self._known['port']}")
        named = f"user\0{self._known['user']}\0database\0{self._known['dbname']}\0application_name\0pooled\0\0".encode()
        session.sendall(struct.pack("!ii", len(named) + 8, _LOGIN) + named)
        while _read(session)[0] != b"Z":
            pass
        return session


@contextmanager
def pooler(url: str, home: Path, size: int, error: str = "") -> Iterator[Pooler]:
    opened = Pooler(url, home, size, error)
    try:
        yield opened
    finally:
        opened.close()


def _login(client: socket.socket) -> int:
    size, code = struct.unpack("!ii", _exactly(client, 8))
    _exactly(client, size - 8)
    return int(code)


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _read(end: socket.socket) -> tuple[bytes, bytes]:
    kind, size = struct.unpack("!ci", _exactly(end, 5))
    return kind, _exactly(end, size - 4)


def _exactly(end: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = end.recv(size - len(found))
        if not part:
            raise ConnectionError
        found += part
    return found
