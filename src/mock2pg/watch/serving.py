"""The server of the page, until Ctrl-C, or until a run that is watched from its command has been seen to its end."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from mock2pg.watch import app
from mock2pg.watch.address import Address
from mock2pg.watch.app import Watch

Until = Callable[[], Coroutine[Any, Any, None]]
_STOP = 1.0  # seconds for open pages to be told that the server ends
_LOOK = 0.2
_IDLE = 10.0  # seconds after which a client that asks for nothing is left


def serve(watch: Watch, listening: socket.socket, address: Address, until: Until) -> None:
    """Serve until `until` returns, or until Ctrl-C, SIGTERM or SIGHUP."""
    config = uvicorn.Config(
        app.app(watch, address),
        loop="asyncio",
        http=_Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=100,
        timeout_graceful_shutdown=1,
    )
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(watch, _Server(config), listening, until))


class _Connection(H11Protocol):
    """Ends where no request is complete for a while: clients that ask for nothing, or slowly, keep nobody else out."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look(object())

    def _look(self, before: object) -> None:
        """End it when nothing was asked since it was looked at before."""
        if self.transport.is_closing():
            return
        if self.cycle is before and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()
        else:
            self.loop.call_later(_IDLE, self._look, self.cycle)


class _Server(uvicorn.Server):
    """Signals are taken by `_serve`, which lets open pages know first."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(watch: Watch, server: _Server, listening: socket.socket, until: Until) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with suppress(ValueError, RuntimeError):  # not the main thread: who started it ends it
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    serving = asyncio.create_task(server.serve([listening]))
    waiting = [asyncio.create_task(until()), asyncio.create_task(stop.wait())]
    await asyncio.wait([serving, *waiting], return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    watch.ending = True
    deadline = time.monotonic() + _STOP
    while watch.streams and time.monotonic() < deadline:
        await asyncio.sleep(_LOOK / 4)
    server.should_exit = True
    await serving


async def for_ever() -> None:
    await asyncio.Event().wait()
