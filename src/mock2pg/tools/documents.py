"""The source document: cuts it into its arrays, strictly, without building Python objects."""

from __future__ import annotations

import codecs
import hashlib
import json
import mmap
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy

from mock2pg.errors import SourceError, UsageError

_BLOCK = 1 << 20
_BOM = codecs.BOM_UTF8
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class Document:
    """A source that was cut into its arrays.

    arrays  entity -> a file (0600) that holds its array, exactly as it stood in the source
    sha256  over name, length and bytes of every array, in the order of their names
    bytes   the size of all arrays
    """

    arrays: dict[str, Path]
    sha256: str
    bytes: int


def read(source: Path | Mapping[str, Any], entities: Sequence[str], into: Path) -> Document:
    """Cut a folder of `<entity>.json`, one JSON document or a Python dict into one file per entity in `into`.

    Raises UsageError when there is no such source and SourceError, which names every fault that it found,
    when something is not JSON or the arrays are not the declared ones.
    """
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    faults: list[str] = []
    if isinstance(source, Mapping):
        arrays = _from_mapping(source, into, faults)
    elif source.is_dir():
        arrays = _from_folder(source, into, faults)
    elif source.is_file():
        arrays = _from_file(source, into, faults)
    else:
        raise UsageError(
            f"there is no source at {source}",
            hint="Name a folder with one <entity>.json per entity, or one JSON document.",
        )
    broken = {fault.partition(":")[0].removesuffix(".json") for fault in faults}
    missing = [entity for entity in entities if entity not in arrays and entity not in broken]
    faults += [f"{entity}: is missing; an empty array [] says that there are none" for entity in missing]
    faults += [
        f"{_shown(entity)}: is not declared in _sources.yml, so it would be lost"
        for entity in arrays
        if entity not in entities
    ]
    if faults:
        raise SourceError("\n".join(["the source is not what is declared:", *(f"  {fault}" for fault in faults)]))
    digest, size = _digest(arrays)
    return Document(arrays, digest, size)


def _from_mapping(source: Mapping[str, Any], into: Path, faults: list[str]) -> dict[str, Path]:
    arrays: dict[str, Path] = {}
    for entity, rows in source.items():
        if not isinstance(entity, str):
            faults.append("a key of the dict is not a string")
            continue
        try:
            text = json.dumps(rows, ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:  # their texts may quote a value
            faults.append(f"{_shown(entity)}: holds what JSON cannot say ({type(error).__name__})")
            continue
        _keep(entity, text, into, arrays, faults)
    return arrays


def _from_folder(source: Path, into: Path, faults: list[str]) -> dict[str, Path]:
    arrays: dict[str, Path] = {}
    for file in sorted(source.glob("*.json")):
        try:
            raw: msgspec.Raw = _decoded(_mapped(file), file.name, msgspec.Raw)
        except SourceError as error:
            faults.append(error.message)
            continue
        _keep(file.stem, memoryview(raw), into, arrays, faults)
    return arrays


def _from_file(source: Path, into: Path, faults: list[str]) -> dict[str, Path]:
    arrays: dict[str, Path] = {}
    content = _mapped(source)
    raws: dict[str, msgspec.Raw] = _decoded(content, source.name, dict[str, msgspec.Raw])
    for key in _repeated(content, raws):
        faults.append(f"{_shown(key)}: stands twice in the document")
    for entity, raw in raws.items():
        _keep(entity, memoryview(raw), into, arrays, faults)
    return arrays


def _keep(entity: str, text: bytes | memoryview, into: Path, arrays: dict[str, Path], faults: list[str]) -> None:
    if bytes(text[:64]).lstrip()[:1] != b"[":
        faults.append(f"{_shown(entity)}: must be an array of rows")
        arrays.setdefault(entity, Path(os.devnull))  # it is there, so it is not missing too
        return
    # a key of the input may not choose a path: only a plain name becomes a file
    file = into / f"{entity if _PLAIN.fullmatch(entity) else len(arrays)}.json"
    with open(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as out:
        out.write(text)
    arrays[entity] = file


def _mapped(file: Path) -> memoryview:
    """The file's bytes without a byte order mark, checked to be UTF-8. Unmapped when the last slice of it is gone."""
    try:
        with file.open("rb") as stream:
            if os.fstat(stream.fileno()).st_size == 0:
                raise SourceError(f"{file.name}: is empty; it must hold JSON")
            whole = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise SourceError(f"{file.name}: cannot be read: {error.strerror}") from error
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for at in range(0, len(whole), _BLOCK):
            decoder.decode(whole[at : at + _BLOCK], final=at + _BLOCK >= len(whole))
    except UnicodeDecodeError:
        raise SourceError(f"{file.name}: is not UTF-8; save it as UTF-8") from None
    return whole[len(_BOM) :] if whole[: len(_BOM)] == _BOM else whole


def _decoded(content: memoryview, name: str, kind: Any) -> Any:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError:
        raise SourceError(f"{name}: must be an object whose keys are the entities") from None
    except msgspec.DecodeError as error:
        found = re.search(r"^(.*?) \(byte (\d+)\)", str(error))
        reason, offset = (found[1], int(found[2])) if found else (str(error), len(content))
        before = bytes(content[:offset])
        line, column = (
            before.count(b"\n") + 1,
            len(before[before.rfind(b"\n") + 1 :].decode(errors="replace")) + 1,
        )
        raise SourceError(
            f"{name}: line {line}, column {column}: is not JSON: {reason.removeprefix('JSON is malformed: ')}"
        ) from None
    except RecursionError:
        raise SourceError(f"{name}: is nested too deeply") from None


def _repeated(content: memoryview, raws: Mapping[str, msgspec.Raw]) -> list[str]:
    """Keys that stand twice at the top: msgspec keeps the last value only, so the earlier one is left over
    when the kept values are cut out of the document."""
    base = numpy.frombuffer(content, numpy.uint8).ctypes.data
    spans = sorted(
        (numpy.frombuffer(memoryview(raw), numpy.uint8).ctypes.data - base, len(memoryview(raw)))
        for raw in raws.values()
    )
    skeleton, at = bytearray(), 0
    for start, length in spans:
        skeleton += bytes(content[at:start]) + b"0"
        at = start + length
    skeleton += bytes(content[at:])
    pairs: list[tuple[str, Any]] = json.loads(skeleton, object_pairs_hook=lambda found: found)
    keys = [key for key, _ in pairs]
    return sorted({key for key in keys if keys.count(key) > 1})


def _digest(arrays: Mapping[str, Path]) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    for entity in sorted(arrays):
        length = arrays[entity].stat().st_size
        digest.update(f"{entity}\0{length}\0".encode())
        with arrays[entity].open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
        size += length
    return digest.hexdigest(), size


def _shown(key: str) -> str:
    """A key of the input as an error may show it: a key that is no plain name might be personal data."""
    return key if _PLAIN.fullmatch(key) else "a key that is not a plain name"
