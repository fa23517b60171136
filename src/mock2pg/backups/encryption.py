"""age: what is written is encrypted on its way, what is read decrypted, by a thread at the other end of a pipe.

The library reads one file and writes another until it is done, so it gets a thread of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import pyrage
from pydantic import SecretStr

from mock2pg.backups.checksums import Damaged, Sink
from mock2pg.errors import BackupRefused, UsageError

_KEY = "AGE-SECRET-KEY-"


class NoKey(Exception):
    """The backup is encrypted, and no available key decrypts it; the text says which is missing."""


def recipients(setting: str) -> list[Any]:
    """The public keys in a setting that takes several, comma-separated. Raises UsageError."""
    try:
        return [pyrage.x25519.Recipient.from_str(text.strip()) for text in setting.split(",") if text.strip()]
    except pyrage.RecipientError:
        raise UsageError(
            "MIGRATION_BACKUP_RECIPIENT is not an age recipient",
            hint="Set it to the public key that `age-keygen` prints.",
        ) from None


def identities(given: SecretStr | None) -> list[Any]:
    """The keys in a setting that is one, or names the file that holds them. Raises BackupRefused, quoting nothing."""
    if given is None:
        return []
    text = given.get_secret_value().strip()
    try:
        if not text.startswith(_KEY):
            text = Path(text).read_text(encoding="utf-8")
        lines = (line.strip() for line in text.splitlines())
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line.startswith(_KEY)]
    except (pyrage.IdentityError, OSError, ValueError):
        found = []
    if not found:
        raise BackupRefused(
            "MIGRATION_BACKUP_IDENTITY is neither an age identity nor a file of them that can be read",
            hint="Set it to the path of the key file that `age-keygen -o FILE` writes.",
        )
    return found


def new_key() -> tuple[str, SecretStr]:
    """A new pair: the public key, and the one that opens."""
    identity = pyrage.x25519.Identity.generate()
    return str(identity.to_public()), SecretStr(str(identity))


class Encrypted:
    """A sink that encrypts what is written to it."""

    def __init__(self, out: Sink, to: Sequence[Any]) -> None:
        self._out = _Noted(out)
        reader, self._pipe = _pipe()
        self._work = _Work(lambda: pyrage.encrypt_io(reader, self._out, list(to)), reader)

    def write(self, block: bytes, /) -> None:
        try:
            self._pipe.write(block)
        except BrokenPipeError:
            self._end()
            raise

    def close(self) -> None:
        self._end()
        self._out.close()

    def abandon(self) -> None:
        """Let go of thread and pipe, whatever was or was not written."""
        self._work.join(self._pipe)

    def _end(self) -> None:
        self.abandon()
        error = self._out.error or self._work.error
        if error:
            raise error


class Decrypted:
    """A decrypted source. Reading raises Damaged or NoKey. To be closed, also when not all of it was read."""

    def __init__(self, source: BinaryIO, keys: Sequence[Any]) -> None:
        if not keys:
            raise NoKey("is encrypted, and no key is given")
        self._pipe, writer = _pipe()
        self._work = _Work(lambda: pyrage.decrypt_io(source, writer, list(keys)), writer)

    def close(self) -> None:
        self._work.join(self._pipe)

    def read(self, size: int, /) -> bytes:
        block = self._pipe.read(size)
        if not block:
            self._work.join()
            if isinstance(self._work.error, pyrage.DecryptError) and "No matching keys" in str(self._work.error):
                raise NoKey("is encrypted to a key other than the given one")
            if self._work.error:
                raise Damaged("is damaged or truncated: it cannot be decrypted")
        return block


def _pipe() -> tuple[BinaryIO, BinaryIO]:
    reader, writer = os.pipe()
    return open(reader, "rb"), open(writer, "wb")


class _Work:
    """Run a thread's work on its end of a pipe; close the end afterwards, and keep the error."""

    def __init__(self, work: Callable[[], object], end: BinaryIO) -> None:
        self._work, self._end = work, end
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def join(self, other_end: BinaryIO | None = None) -> None:
        """Wait until it is done; closing the other end of the pipe makes it so."""
        if other_end:
            _close(other_end)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:
            self.error = error
        finally:
            _close(self._end)


def _close(end: BinaryIO) -> None:
    with suppress(OSError):  # what nobody reads any more is not written any more
        end.close()


class _Noted:
    """A sink that remembers its error: the library drops that of the last few bytes."""

    def __init__(self, out: Sink) -> None:
        self._out = out
        self.error: Exception | None = None

    def write(self, block: bytes, /) -> int:
        try:
            self._out.write(block)
        except Exception as error:
            self.error = error
            raise
        return len(block)

    def flush(self) -> None:
        """Nothing is held back here."""

    def close(self) -> None:
        self._out.close()
