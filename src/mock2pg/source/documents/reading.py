"""The source becomes one file per array, strictly; every fault is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mock2pg.errors import UsageError, ValidationError
from mock2pg.source import modules
from mock2pg.source.documents import spool
from mock2pg.source.documents.arrays import Arrays
from mock2pg.source.documents.faults import DECLARED_ARRAYS, STRICT_JSON, Faults
from mock2pg.source.documents.files import Folder, Single
from mock2pg.source.documents.scanner import pointer
from mock2pg.text import printable


@dataclass(frozen=True)
class Document:
    """A source that was cut into its arrays.

    arrays  entity -> a file (0600) that holds its array as it was in the source; of an entity that could not be
            read, an empty array
    sha256  over name, length and hash of every array, in the order of their names
    bytes   the size of all arrays
    unread  the declared entities that could not be read
    absent  the declared entities that may be, and are, not there; of them too `arrays` has an empty array
    faults  what is wrong with the source itself; the rows have not been looked at
    totals  how many faults there are by rule and severity, however many are listed
    notes   what was accepted and should be known, one sentence each
    files   file as it is called in errors -> sha256 and bytes of what was read, before unpacking
    """

    arrays: dict[str, Path]
    sha256: str
    bytes: int
    unread: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    faults: tuple[ValidationError, ...] = ()
    totals: Mapping[tuple[str, str], int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def read(
    source: Path | Mapping[str, Any],
    entities: Sequence[str],
    into: Path,
    *,
    label: str = "",
    undeclared: str = "refuse",
    missing: str = "refuse",
    limit: int = 100,
    unpacking: spool.Unpacking = spool.UNPACKING,
) -> Document:
    """Cut a source into one file per entity, in the folder `into`, with a note of where each array was.

    source      a folder of `<entity>.json` or `<entity>.ndjson`, one JSON document, each also `.gz` or `.zst`; `-` or a
                named pipe, for one document; a module that exports plain data, or a folder of such; or a Python dict
    label       what the errors call it; its path if empty
    undeclared  "refuse" makes an array that is not declared a fault, "warn" a warning
    missing     "refuse" makes an array that is declared and not there a fault, "leave" takes it as absent
    limit       faults listed of each rule; the totals stay exact
    unpacking   how large what is packed may become

    Raises UsageError when there is no such source.
    """
    arrays, faults = Arrays(into, entities), Faults(entities, undeclared, limit, missing)
    reader: Folder | Single | None = None
    notes: tuple[str, ...] = ()
    if isinstance(source, Path) and modules.is_module(source):
        made = modules.exported(source)
        source, notes = made.data, made.notes
    if isinstance(source, Mapping):
        _read_mapping(source, arrays, faults)
        faults.missing(lambda _: None)
    else:
        label = printable(label or str(source))
        if source.is_dir():
            reader = Folder(source, label, arrays, faults, entities, unpacking)
        elif spool.is_stream(source) or source.exists():
            reader = Single(source, label, arrays, faults, entities, unpacking)
        else:
            raise UsageError(
                f"there is no source at {source}",
                hint="Name a folder with one <entity>.json per entity, one JSON document, or - for standard input.",
            )
        reader.read()
    unread = tuple(entity for entity in arrays.finish() if entity not in faults.absent)
    files = {entity: arrays.files[entity] for entity in entities}
    return Document(
        files,
        arrays.sha256,
        arrays.bytes,
        unread,
        tuple(faults.absent),
        tuple(faults.found),
        dict(faults.totals),
        (*notes, *(reader.notes if reader else ())),
        dict(reader.files) if reader else {},
    )


def _read_mapping(source: Mapping[str, Any], arrays: Arrays, faults: Faults) -> None:
    """A Python dict is its JSON text."""
    for entity, rows in source.items():
        if not isinstance(entity, str):
            faults.add(DECLARED_ARRAYS, "a key of the dict is not a string")
            continue
        place = pointer([entity])
        if not faults.declared(entity, partial(_length, rows), source.keys(), pointer=place):
            continue
        if not isinstance(rows, list):
            faults.no_array(entity, pointer=place)
            continue
        texts = [_row_text(row, entity, number, faults) for number, row in enumerate(rows, start=1)]
        sound = [text for text in texts if text is not None]
        if len(sound) == len(texts):
            # half of a surrogate pair has no UTF-8; the row is refused by name when it is checked
            text = re.sub("[\ud800-\udfff]", r"\\u0000", f"[{', '.join(sound)}]")
            arrays.write(entity, text.encode(), pointer=place)


def _length(rows: Any) -> int | None:
    return len(rows) if isinstance(rows, list) else None


def _row_text(row: Any, entity: str, number: int, faults: Faults) -> str | None:
    try:
        return json.dumps(row, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:  # their texts may quote a value
        reason = f"holds what JSON cannot say ({type(error).__name__})"
        faults.add(STRICT_JSON, reason, entity, row=number, pointer=pointer([entity, number - 1]))
        return None
