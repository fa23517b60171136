"""Access to the page: by its token, at its address, for reading; and what a browser may do with it."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from mock2pg.watch.address import Address

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# A page may use its own style and nothing else; the page that watches has a policy of its own.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; {}base-uri 'none'; form-action 'none'; "
_POLICY += "frame-ancestors 'none'"
POLICY = _POLICY.format("")


def policy(nonce: str) -> str:
    """The policy of a page with one script, which reads events of its own server."""
    return _POLICY.format(f"script-src 'nonce-{nonce}'; connect-src 'self'; ")


_HEADERS = {
    b"cache-control": b"no-store",
    b"content-security-policy": POLICY.encode(),
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
}


class Guarded:
    """An ASGI app that answers at one address alone; the token is taken off the path."""

    def __init__(self, app: App, address: Address) -> None:
        self._app, self._address = app, address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        status = self._refusal(scope)

        async def sent(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _with_ours(message.get("headers", ()))
            await send(message)

        if status:
            headers = [(b"content-type", b"text/plain; charset=utf-8"), *([(b"allow", b"GET")] * (status == 405))]
            await sent({"type": "http.response.start", "status": status, "headers": headers})
            await sent({"type": "http.response.body", "body": _SAID[status]})
            return
        _, _, rest = scope["path"].removeprefix("/").partition("/")
        await self._app({**scope, "path": f"/{rest}", "raw_path": None, "root_path": ""}, receive, sent)

    def _refusal(self, scope: Scope) -> int:
        """Return the status of a request that is refused, or 0."""
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or hosts[0] not in self._address.hosts:
            return 421  # another site's name that leads to this machine
        token, slash, _ = scope["path"].removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self._address.token.encode()) or not slash:
            return 404
        return 0 if scope["method"] == "GET" else 405


_SAID = {404: b"Not found.\n", 405: b"Only for reading.\n", 421: b"Not the address of this page.\n"}


def _with_ours(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    given = {name.lower() for name, _ in headers}
    return [*headers, *((name, value) for name, value in _HEADERS.items() if name not in given)]
