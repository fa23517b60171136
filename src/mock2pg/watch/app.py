"""The pages and the events of `mock2pg watch`."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from mock2pg.pages import render
from mock2pg.watch import access, files, state
from mock2pg.watch.address import Address

_EVERY = 0.5  # seconds between two looks at a run
_SILENT = 10.0  # seconds after which a client that is gone is noticed
_STREAMS = 20  # pages at a time


@dataclass
class Watch:
    """One run that is watched, or whichever is the newest.

    find     returns the id of the run, or None while there is none
    ending   the server is about to end: open pages are told so
    streams  the pages that are open
    seen_at  when one was open or asked for something last
    """

    runs: Path
    find: Callable[[], str | None]
    ending: bool = False
    streams: int = 0
    seen_at: float = field(default_factory=time.monotonic)
    _latest: tuple[float, str] = (0.0, "")

    def state(self) -> str:
        """Return the state as JSON. All pages share one look at the run's folder."""
        looked_at, known = self._latest
        if time.monotonic() - looked_at >= _EVERY / 2:
            known = json.dumps({**state.of_run(self.runs, self.find()), "list": state.listed(self.runs)})
            self._latest = (time.monotonic(), known)
        return known


def app(watch: Watch, address: Address) -> access.App:
    """Return the ASGI app: everything is below the token, and for reading."""

    def page(_: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        text = render("watch.html", nonce=nonce)
        return HTMLResponse(text, headers={"content-security-policy": access.policy(nonce)})

    def file(request: Request) -> Response:
        watch.seen_at = time.monotonic()
        found = files.read(watch.runs, request.path_params["path"])
        if found is None:
            return Response("Not found.\n", 404, media_type="text/plain")
        content, kind = found
        return Response(content, headers={"content-type": kind})

    async def events(_: Request) -> Response:
        if watch.streams >= _STREAMS:
            return Response("Too many pages are open.\n", 503, media_type="text/plain")
        return StreamingResponse(_events(watch), media_type="text/event-stream")

    routes = [Route("/", page), Route("/events", events), Route("/runs/{path:path}", file)]
    served = Starlette(routes=routes)
    served.router.redirect_slashes = False  # to an address without the token
    return access.Guarded(served, address)


async def _events(watch: Watch) -> AsyncIterator[str]:
    """Yield the state whenever it has changed, until the client is gone or the server ends."""
    sent, sent_at = "", 0.0
    watch.streams += 1
    try:
        yield "retry: 1000\n\n"
        while not watch.ending:
            watch.seen_at = now = time.monotonic()
            text = await run_in_threadpool(watch.state)
            if text != sent:
                sent, sent_at = text, now
                yield f"event: state\ndata: {text}\n\n"
            elif now - sent_at >= _SILENT:
                sent_at = now
                yield ":\n\n"
            await asyncio.sleep(_EVERY)
        yield "event: end\ndata: {}\n\n"
    finally:
        watch.streams -= 1
        watch.seen_at = time.monotonic()


def ended(text: str) -> bool:
    """Return whether a state is that of a run that has ended."""
    found: dict[str, Any] = json.loads(text)
    return bool(found["ended"])
