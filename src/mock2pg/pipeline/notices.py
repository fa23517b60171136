"""The notifications of a run: of migrate and rollback, when one begins, and when its verdict is known."""

from __future__ import annotations

from contextlib import suppress

from mock2pg import notifications
from mock2pg.errors import Mock2pgError, UsageError
from mock2pg.notifications import Notifier, Subject, of_end, of_loss, of_start, of_test
from mock2pg.pages.outcome import outcome_of
from mock2pg.pipeline import target
from mock2pg.pipeline.record import Record
from mock2pg.pipeline.verdict import paperwork
from mock2pg.runs import Run
from mock2pg.settings import Settings
from mock2pg.step_results import Check

_COMMANDS = ("migrate", "rollback")  # those that change the target


class Notices:
    """Sends notifications of one run beside its work. What fails is a warning, but for a URL that is not valid."""

    def __init__(self, run: Run, record: Record) -> None:
        self._run, self._record = run, record
        self._notifier: Notifier | None = None
        if record.command in _COMMANDS and run.settings.notify_urls:
            with paperwork("Notifications could not be begun", record.warn):
                self._notifier = Notifier(run.settings)
                self._notifier.send(of_start(self._subject()))
                self._notifier.send_if_killed(of_loss(self._subject()))

    def refuse_invalid(self) -> None:
        """Raise UsageError when a URL is not valid: asked for late, since loading what knows that takes a second."""
        if self._notifier:
            self._notifier.refuse_invalid()

    def tell_end(self) -> None:
        """Send the verdict, without waiting for that."""
        if self._notifier:
            record = self._record
            with paperwork("The verdict could not be sent", record.warn):
                found = [result.found for result in self._run.results()]
                seconds = record.milliseconds / 1000
                outcome = outcome_of({"status": record.status, "warned": record.warned})
                self._notifier.send(of_end(self._subject(), outcome, record.target_state, record.error, seconds, found))

    def finish(self) -> None:
        """Wait, for a limited time, until all is sent."""
        if self._notifier:
            with paperwork("Notifications could not be ended", self._record.warn):
                for fault in self._notifier.finish():
                    self._record.warn("A notification was not sent", UsageError(fault))

    def _subject(self) -> Subject:
        name, settings = "unknown", self._run.settings
        with suppress(Mock2pgError):  # of DATABASE_URL: the connect step says so
            name = self._record.database.name if self._record.database else target.database(settings)
        return Subject(self._record.command, self._run.id, name, settings.target_schema)


def examine(settings: Settings, *, send: bool) -> list[Check]:
    """Look at the services that are set, and send them a test message if that is asked for."""
    name = "unknown"
    with suppress(Mock2pgError):
        name = target.database(settings)
    return notifications.examine(settings, of_test(name, settings.target_schema) if send else None)
