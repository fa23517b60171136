"""A document as one file for each of its members: the text of each stays as it is, byte for byte."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from mock2pg.errors import SourceError
from mock2pg.source import presence
from mock2pg.source.documents import spool, strict

_LONGEST = 200  # bytes of a name, with room for its ending


def split(source: Path, into: Path, name: str) -> bool:
    """Write each member of the object in `source` to `<key>.json`; anything else, whole, to `<name>.json`.

    It stays one file, too, where a key is none that every file system takes, or two differ only in case.
    Return whether there is a file for each member. Raises SourceError when it cannot be read.
    """
    whole = into / f"{name}.json"
    try:
        spool.copy(source, whole, spool.UNPACKING, stream=presence.is_stream(source))
    except spool.Unreadable as fault:
        raise SourceError(f"{source.name} {fault}") from None
    members = _members(whole.read_bytes())
    whole.chmod(0o644)
    if not members or not all(map(_is_file_name, members)) or len({key.casefold() for key in members}) < len(members):
        return False
    whole.unlink()
    for key, raw in members.items():
        (into / f"{key}.json").write_bytes(bytes(memoryview(raw)) + b"\n")
    return True


def _members(text: bytes) -> dict[str, msgspec.Raw]:
    with suppress(msgspec.ValidationError, strict.NotJson):  # an array, or what a check is going to refuse
        members: dict[str, msgspec.Raw] = strict.decode(text, dict[str, msgspec.Raw])
        return members
    return {}


def _is_file_name(key: str) -> bool:
    plain = key.isprintable() and not set(key) & set('/\\:*?"<>|') and key == key.strip(" .")
    return plain and 0 < len(key.encode()) <= _LONGEST
