"""JSON values as they are in a text, taken apart and put together without being read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from mock2pg.source.documents import strict
from mock2pg.source.documents.arrays import Bytes
from mock2pg.source.documents.locations import address


def kind_of(raw: msgspec.Raw) -> str:
    """Return the first character of a JSON value."""
    return chr(memoryview(raw)[0])


def members_of(raw: msgspec.Raw) -> dict[str, msgspec.Raw]:
    """The members of an object; of duplicate keys the last."""
    found: dict[str, msgspec.Raw] = strict.decode(memoryview(raw), dict[str, msgspec.Raw])
    return found


def joined(values: Iterable[msgspec.Raw]) -> Iterator[Bytes]:
    """The text of an array of these values."""
    yield b"["
    for number, value in enumerate(values):
        if number:
            yield b","
        yield memoryview(value)
    yield b"]"


def without(raw: msgspec.Raw, keys: Collection[str]) -> Iterator[Bytes]:
    """The text of a value without some keys, if it is an object."""
    if not keys or kind_of(raw) != "{":
        yield memoryview(raw)
        return
    first = True
    yield b"{"
    for key, value in members_of(raw).items():
        if key not in keys:
            yield (b"" if first else b",") + json.dumps(key).encode() + b":"
            yield memoryview(value)
            first = False
    yield b"}"


def rows_of(raw: msgspec.Raw) -> int | None:
    """The number of elements; None of what is no array."""
    with suppress(msgspec.MsgspecError):
        return len(msgspec.json.decode(raw, type=list[msgspec.Raw]))
    return None


def repeated(raw: msgspec.Raw, members: Mapping[str, msgspec.Raw]) -> list[str]:
    """Duplicate keys of an object: msgspec keeps the last value only, so the earlier one is left over when the kept
    values are cut out of the text."""
    content, base = memoryview(raw), address(raw)
    spans = sorted((address(value) - base, memoryview(value).nbytes) for value in members.values())
    skeleton, at = bytearray(), 0
    for start, length in spans:
        skeleton += bytes(content[at:start]) + b"0"
        at = start + length
    skeleton += bytes(content[at:])
    pairs: list[tuple[str, Any]] = json.loads(skeleton, object_pairs_hook=lambda found: found)
    return sorted(key for key, number in Counter(key for key, _ in pairs).items() if number > 1)
