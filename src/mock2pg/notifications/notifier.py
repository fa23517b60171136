"""The sending process, from the side of the run: it loads apprise and waits for slow servers while the run goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from mock2pg import signals
from mock2pg.environment import inherited
from mock2pg.errors import UsageError
from mock2pg.log import log
from mock2pg.notifications.messages import Message
from mock2pg.notifications.sending import PATIENCE
from mock2pg.settings import Settings, notification_urls
from mock2pg.step_results import Check

_QUIET = 1.0  # seconds of waiting that nobody needs to be told of


class Notifier:
    """Sends messages to the services of MIGRATION_NOTIFY_URLS; does nothing where that is unset.

    The URLs are credentials: they go through a pipe, and messages of ours name a service and its number alone.
    """

    def __init__(self, settings: Settings) -> None:
        self._urls = notification_urls(settings.notify_urls)
        self._process: subprocess.Popen[str] | None = None
        self._answers: list[Mapping[str, Any]] = []
        self._answered = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        if self._urls:
            self._start()

    def _start(self) -> None:
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "mock2pg.notifications.sending"],
                env=inherited("notifications"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # apprise logs reasons, which may quote a URL
                text=True,
                encoding="utf-8",
                start_new_session=True,  # Ctrl-C on the terminal is for us
            )
        except OSError:
            self._answered.set()  # `finish` says so
            return
        self._reader.start()
        self._tell(urls=self._urls)

    def send(self, message: Message) -> None:
        """Send a message to every service, without waiting for that."""
        self._tell(send=asdict(message))

    def send_if_killed(self, message: Message) -> None:
        """Have a message sent when this process ends without `finish`."""
        self._tell(if_killed=asdict(message))

    def refuse_invalid(self) -> None:
        """Raise UsageError when apprise does not understand a URL. Waits until apprise is loaded."""
        with signals.interruptible():
            if not self._urls or not self._answered.wait(PATIENCE):
                return
        if invalid := self._numbers("invalid"):
            which = ", ".join(map(str, invalid))
            raise UsageError(
                f"a setting is not valid: MIGRATION_NOTIFY_URLS (apprise does not understand URL {which})",
                hint="Write the URL as docs/watch.md shows.",
            )

    def finish(self) -> Sequence[str]:
        """Wait until all is sent, for `PATIENCE` at most; return, in words, what could not be."""
        if not self._urls:
            return []
        self._tell(end=True)
        with suppress(OSError, ValueError):
            if self._process and self._process.stdin:
                self._process.stdin.close()
        self._wait()
        failed = self._numbers("failed") if any("failed" in answer for answer in self._answers) else None
        if failed is None:  # it was killed, or is too slow
            failed = sorted(set(range(1, len(self._urls) + 1)) - set(self._numbers("invalid")))
        invalid = [f"{self._named(number)} is not valid" for number in self._numbers("invalid")]
        return invalid + [f"{self._named(number)} did not accept it" for number in failed]

    def _wait(self) -> None:
        if self._process is None:
            return
        began = time.monotonic()
        self._reader.join(_QUIET)
        if self._reader.is_alive():
            log.info("Waiting for notifications to be sent, for %d s at most", PATIENCE)
            self._reader.join(max(0.0, PATIENCE + 1 - (time.monotonic() - began)))
        with suppress(OSError):
            self._process.kill()  # it has nothing left to do
        self._process.wait()
        self._reader.join()

    def _tell(self, **request: Any) -> None:
        if self._process is None or self._process.stdin is None:
            return
        with suppress(OSError, ValueError):  # it is gone; `finish` says so
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process  # noqa: S101
        assert self._process.stdout  # noqa: S101
        with suppress(OSError, ValueError), self._process.stdout as answers:
            for line in answers:
                self._answers.append(json.loads(line))
                self._answered.set()
        self._answered.set()

    def _numbers(self, what: str) -> list[int]:
        return sorted(number for answer in list(self._answers) for number in answer.get(what, ()))

    def _named(self, number: int) -> str:
        return f"{self._urls[number - 1].partition('://')[0].lower()} (URL {number})"


def examine(settings: Settings, message: Message | None) -> list[Check]:
    """Look at the services that are set: whether apprise understands their URLs, and takes the message, if any."""
    urls = notification_urls(settings.notify_urls)
    if not urls:
        unset = Check("notifications", "failed", "there are no services", "Set MIGRATION_NOTIFY_URLS.")
        return [unset] if message else []
    notifier = Notifier(settings)
    if message:
        notifier.send(message)
    if faults := notifier.finish():
        return [Check("notifications", "failed", "; ".join(faults), "Correct MIGRATION_NOTIFY_URLS: docs/watch.md.")]
    services = ", ".join(url.partition("://")[0].lower() for url in urls)
    return [Check("notifications", "passed", f"sent to {services}" if message else f"valid, not tried: {services}")]
