"""Errors that are not ours, and tracebacks: what may be shown of them without a value that their texts quote."""

from __future__ import annotations

import errno
import os
import pwd
import re
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mock2pg.errors import Mock2pgError, UsageError
from mock2pg.text import identity

_LIMITS = {
    errno.EMFILE: ("open files", "ulimit -n 1024"),
    errno.ENFILE: ("open files of this machine", "ulimit -n 1024"),
    errno.EAGAIN: ("processes and threads", "ulimit -u 256"),
    errno.ENOMEM: ("memory", "ulimit -v unlimited"),
}


def limited(error: BaseException, doing: str) -> UsageError | None:
    """An error that says that a limit of the process was reached, in a user's words; None for any other."""
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, MemoryError):
        number = errno.ENOMEM
    if isinstance(error, RuntimeError) and str(error) == "can't start new thread":
        number = errno.EAGAIN
    if isinstance(error, ImportError) and ("failed to map segment" in str(error) or "allocate memory" in str(error)):
        number = errno.ENOMEM  # a shared library did not fit
    if number not in _LIMITS:
        return None
    limit, raised = _LIMITS[number]
    return UsageError(f"{doing}: the limit of {limit} is reached", hint=f"Raise it, for example: {raised}")


def unusable(error: OSError, doing: str) -> UsageError:
    """A disk that is full, a place that is closed or a limit that is reached, in a user's words."""
    if limit := limited(error, doing):
        return limit
    where = f": {identity(str(error.filename))}" if error.filename else ""
    hint = "Check the free disk space there, and that this user may write there."
    if isinstance(error, PermissionError) and isinstance(error.filename, str):
        hint = _whose(Path(error.filename)) or hint
    return UsageError(f"{doing}: {error.strerror}{where}", hint=hint)


def _whose(file: Path) -> str:
    """Return a hint for a file that belongs to another user, or is in their folder; empty when it is our own."""
    for place in (file, *file.absolute().parents):
        with suppress(OSError):  # not there, or in a folder that is closed to us
            owner = place.stat().st_uid
            if owner == os.geteuid():
                return ""
            whose, own = _user_name(owner), _user_name(os.geteuid())
            return f"Run as {whose}, or have {place} given to you: it belongs to {whose}, and you are {own}."
    return ""


def _user_name(uid: int) -> str:
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)


def _notes(error: Mock2pgError) -> list[str]:
    """Return the traceback of another process, as `traced` gave it there."""
    return [f"  in another process: {line}" for note in getattr(error, "__notes__", ()) for line in note.splitlines()]


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and those that led to it, each once: an error that is raised again may lead to itself."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__


def traced(error: BaseException) -> str:
    """The traceback and those of its causes, without the texts of errors that are not ours: they may hold a value."""
    lines: list[str] = []
    for cause in causes(error):
        text, notes = (f": {cause.message}", _notes(cause)) if isinstance(cause, Mock2pgError) else ("", [])
        lines += [f"{type(cause).__qualname__}{text}", *notes]
        lines += [
            f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(cause.__traceback__)
        ]
    return "\n".join(lines)


_FOREIGN = re.compile("[«»„“”‹›「」『』].*[«»„“”‹›「」『』]", re.DOTALL)  # how servers of other languages quote
_QUOTE = re.compile("[\"'\n]")
_NAME = re.compile(
    r"\b(?:violates|on table|for user|constraint|relation|column|table|schema|type|function|role|database|index"
    r"|server at"
    r'|on socket(?= "/)) ("[^"\n]*")'
)


def scrubbed(message: str) -> str:
    """The first line of a database's own message without the values it quotes.

    PostgreSQL quotes cells in DETAIL and CONTEXT and, for a failed conversion, in the message itself;
    the names of tables, columns and constraints are kept because they say where to look.
    A value may hold quotes and line breaks itself: all between the first quote that does not open a name
    and the last one is removed.
    """
    text = _FOREIGN.sub("(a value)", message.strip())
    names = [match.span(1) for match in _NAME.finditer(text)]
    at = 0
    while (quote := _QUOTE.search(text, at)) and quote[0] != "\n":
        end = next((stop for start, stop in names if start == quote.start()), None)
        if end is None:
            last = max(text.rfind('"'), text.rfind("'")) + 1
            closed = last > quote.end() and "\n" not in text[quote.start() : last]
            rest = text[last:] if closed else ""
            text = f"{text[: quote.start()]}(a value){rest}"
            break
        at = end
    return re.sub(r"\([^)]*\)=\(.*\)", "(a value)", text.split("\n", 1)[0])
