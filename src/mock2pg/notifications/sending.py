"""The process that sends: `python -m mock2pg.notifications.sending`, which alone imports apprise.

It reads requests, one JSON object a line: the URLs, messages, what to send if the run is killed, and the end. It
answers which URLs are invalid and, at the end, which services failed, by their numbers.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

PATIENCE = 10.0  # seconds for all that is not sent when a run has ended


class _Service(threading.Thread):
    """One service: its messages are sent in order, and none waits for another service."""

    def __init__(self, number: int, plugin: Any) -> None:
        super().__init__(daemon=True)
        self.number, self.failed = number, False
        self.messages = SimpleQueue[dict[str, str] | None]()
        self._plugin = plugin

    def run(self) -> None:
        while message := self.messages.get():
            try:
                sent = self._plugin.notify(
                    title=message["title"], body=message["body"], notify_type=message["kind"], body_format="text"
                )
            except Exception:
                sent = False
            self.failed = self.failed or not sent


def _services(urls: Sequence[str]) -> tuple[list[_Service], list[int]]:
    """Return the services, and the numbers of the URLs that are not valid."""
    import apprise

    asset = apprise.AppriseAsset(
        app_id="mock2pg", app_desc="mock2pg", app_url="", image_url_mask="", image_url_logo="", storage_mode="memory"
    )
    services, invalid = [], []
    for number, url in enumerate(urls, 1):
        plugin = apprise.Apprise.instantiate(url, asset=asset)
        if plugin is None:
            invalid.append(number)
        else:
            services.append(_Service(number, plugin))
    return services, invalid


def _answer(**answer: Any) -> None:
    with suppress(OSError):  # nobody reads it any more
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def serve() -> None:
    """Send messages until the input ends, and then what is left of them."""
    os.nice(10)  # the run comes first
    services, invalid = _services(json.loads(sys.stdin.readline())["urls"])
    _answer(invalid=invalid)
    for service in services:
        service.start()
    if_killed = None
    for line in sys.stdin:
        request = json.loads(line)
        if_killed = None if "end" in request else request.get("if_killed", if_killed)
        for service in services if "send" in request else ():
            service.messages.put(request["send"])
    deadline = time.monotonic() + PATIENCE
    for service in services:
        if if_killed:
            service.messages.put(if_killed)
        service.messages.put(None)
    for service in services:
        service.join(max(0.0, deadline - time.monotonic()))
    _answer(failed=[service.number for service in services if service.failed or service.is_alive()])
    os._exit(0)  # whatever still waits for a server


if __name__ == "__main__":
    serve()
