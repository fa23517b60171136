"""record.json: what a run is and what became of it, written when it begins and when it ends."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any

from mock2pg import narration, plan
from mock2pg.errors import Mock2pgError
from mock2pg.runs import VERSION, Run, began, now


@dataclass
class Record:
    """One run while it goes on.

    status      running, succeeded, failed, rolled_back, rollback_failed, or unknown: the server was gone
                when it would have told whether the run was published
    database    what the connect step found out about the target: name, schema, server_version ...
    undo_error  why the run could not undo itself
    url         where the database was reached; it may hold a password, and is written nowhere
    """

    command: str
    source: str | None
    started_at: str = field(default_factory=now)
    status: str = "running"
    message: str = ""
    database: dict[str, Any] | None = None
    backup_id: str | None = None
    error: Mock2pgError | None = None
    undo_error: Mock2pgError | None = None
    url: str | None = field(default=None, repr=False)
    _began: float = field(default_factory=time.perf_counter)

    @property
    def milliseconds(self) -> int:
        return round((time.perf_counter() - self._began) * 1000)

    def end(self, run: Run) -> None:
        """Settle the status and the verdict."""
        checked = run.result("check")
        refused = sum(entity["refused"] for entity in checked.data.get("entities", {}).values()) if checked else 0
        if self.status == "running":
            self.status = "failed" if self.error else "succeeded"
        self.message = narration.verdict(
            self.command, self.status, self.error, self.backup_id, self.undo_error, refused
        )

    def write(self, run: Run) -> None:
        results = run.results()
        staged = run.result("stage")
        run.write(
            "record.json",
            {
                "run_id": run.id,
                "command": self.command,
                "status": self.status,
                "message": self.message,
                "started_at": self.started_at,
                "finished_at": None if self.status == "running" else now(),
                "seconds": self.milliseconds / 1000,
                "operator": run.settings.operator,
                "pid": os.getpid(),
                "pid_began": began(os.getpid()),
                "version": VERSION,
                "source": self.source,
                "mode": run.settings.mode,
                "input_sha256": staged.data.get("sha256") if staged else None,
                "database": self.database,
                "backup_id": self.backup_id,
                "peak_memory_bytes": max(
                    [plan.peak_memory(), *(result.data.get("peak_memory_bytes", 0) for result in results)]
                ),
                "error": self.error.as_dict() if self.error else None,
                "undo_error": self.undo_error.as_dict() if self.undo_error else None,
            },
        )
