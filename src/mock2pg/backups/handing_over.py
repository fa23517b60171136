"""A sink whose writing is done by a thread: what packs, encrypts and writes does so while the next rows are read."""

from __future__ import annotations

import queue
import threading

from mock2pg.backups.checksums import Sink

_BLOCKS = 16  # that wait at most


class HandedOver:
    """A sink that hands over what is written to it. Its error is raised by whatever is called next."""

    def __init__(self, out: Sink) -> None:
        self._out, self._error = out, list[Exception]()
        self._blocks: queue.Queue[bytes | None] = queue.Queue(_BLOCKS)
        self._thread = threading.Thread(target=self._run, name="backup", daemon=True)
        self._thread.start()

    def write(self, block: bytes, /) -> None:
        self._blocks.put(block)
        self._raise()

    def settle(self) -> None:
        """Wait until all of it is written."""
        self._blocks.join()
        self._raise()

    def close(self) -> None:
        self.settle()
        self.abandon()
        self._out.close()

    def abandon(self) -> None:
        """End the thread, whatever was or was not written."""
        if self._thread.is_alive():
            self._blocks.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (block := self._blocks.get()) is not None:
            try:
                if not self._error:
                    self._out.write(block)
            except Exception as error:
                self._error.append(error)
            finally:
                self._blocks.task_done()

    def _raise(self) -> None:
        if self._error:
            raise self._error[0]
