"""The source becomes one file per array, map or object, strictly; every fault is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from mock2pg.errors import ValidationError
from mock2pg.source import modules, presence
from mock2pg.source.documents import spool
from mock2pg.source.documents.arrays import Arrays, write
from mock2pg.source.documents.cutting import Cutting, Source
from mock2pg.source.documents.faults import DECLARED_ARRAYS, STRICT_JSON, Faults, named
from mock2pg.source.documents.files import FILE, MEANT, Folder, Single
from mock2pg.source.documents.locations import address
from mock2pg.source.documents.scanner import pointer
from mock2pg.source_shape import SourceShape
from mock2pg.text import printable


@dataclass(frozen=True)
class Document:
    """A source that was cut into its arrays, maps and objects.

    arrays  entity -> a file (0600) that holds the rows as they were in the source, as an array, of a map with a file of
            their keys beside it; of an entity that could not be read, an empty array
    sha256  over name, length and hash of every entity, in the order of their names
    bytes   the size of all entities
    unread  the declared entities that could not be read
    absent  the declared entities that may be, and are, not there; of them too `arrays` has an empty array
    faults  what is wrong with the source itself; the rows have not been looked at
    totals  how many faults there are by rule and severity, however many are listed
    notes   what was accepted and should be known, one sentence each
    files   file as it is called in errors -> sha256 and bytes of what was read, before unpacking
    constants  keys -> the JSON text of a single value that columns of many rows take
    fits    it has at least one of the declared keys; also when it could not be read so far
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
    constants: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    fits: bool = True


def read(
    source: Path | Mapping[str, Any],
    shape: SourceShape,
    into: Path,
    *,
    label: str = "",
    undeclared: str = "refuse",
    missing: str = "refuse",
    limit: int = 100,
    unpacking: spool.Unpacking = spool.UNPACKING,
) -> Document:
    """Cut a source into one file per entity, in the folder `into`, with a note of where each was.

    source      a folder of `<key>.json` or `<key>.ndjson`, or of one document; one JSON document; each also `.gz` or
                `.zst`; `-` or a named pipe, for one document; a module that exports plain data, or a folder of such; or
                a Python dict
    label       what the errors call it; its path if empty
    undeclared  "refuse" makes a key that is not declared a fault, "warn" a warning
    missing     "refuse" makes an entity that is declared and not there a fault, "leave" takes it as absent
    limit       faults listed of each rule; the totals stay exact
    unpacking   how large what is packed may become

    Raises UsageError when there is no such source.
    """
    entities = shape.entities
    arrays, faults = Arrays(into, entities), Faults(shape, undeclared, limit, missing)
    cutting = Cutting(shape, arrays, faults)
    reader: Folder | Single | None = None
    notes: tuple[str, ...] = ()
    if isinstance(source, Path) and modules.is_module(source):
        made = modules.exported(source)
        source, notes = made.data, made.notes
    if isinstance(source, Mapping):
        _read_mapping(source, cutting)
        faults.missing(lambda _: None)
    else:
        label = printable(label or str(source))
        if source.is_dir() and (document := _only_document(source, shape.roots)):
            source, label = document, f"{label}/{printable(document.name)}"
        presence.require(source)
        reader = (Folder if source.is_dir() else Single)(source, label, cutting, unpacking)
        reader.read()
    unread = tuple(entity for entity in arrays.finish() if entity not in (*faults.absent, *faults.empty))
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
        cutting.constants,
        cutting.fits or (reader is not None and not reader.judged),
    )


def _only_document(folder: Path, roots: Collection[str]) -> Path | None:
    """Return the one JSON file of a folder, where it is not the file of a declared key: json-server's db.json."""
    files = [file for file in folder.iterdir() if MEANT.fullmatch(file.name)]
    name = FILE.fullmatch(files[0].name) if len(files) == 1 else None
    return files[0] if name and name["form"] == "json" and name["entity"] not in roots else None


def _read_mapping(source: Mapping[str, Any], cutting: Cutting) -> None:
    """A Python dict is its JSON text."""
    faults = cutting.faults
    if cutting.whole:
        text = _text(source, "", None, faults)
        if text is not None:
            raw, file = _kept(text, cutting.arrays.text())
            cutting.source(raw, Source(None, file.name, None, base=address(raw)))
        return
    for root, value in source.items():
        if not isinstance(root, str):
            faults.add(DECLARED_ARRAYS, "a key of the dict is not a string")
            continue
        faults.roots.add(root)
        place = pointer([root])
        rows = partial(_length, value)
        if not cutting.declared(root, source.keys(), rows, pointer=place):
            continue
        texts = (
            [_text(row, named((root,)), number, faults) for number, row in enumerate(value, start=1)]
            if isinstance(value, list)
            else [_text(value, named((root,)), None, faults)]
        )
        sound = [text for text in texts if text is not None]
        if len(sound) < len(texts):
            faults.unreadable((root,))
            continue
        container = cutting.array(root)
        file = cutting.arrays.place(container.entity) if container else cutting.arrays.text()
        raw, _ = _kept(f"[{', '.join(sound)}]" if isinstance(value, list) else sound[0], file)
        cutting.root(root, raw, Source(None, file.name, None, base=address(raw)))


def _kept(text: str, file: Path) -> tuple[msgspec.Raw, Path]:
    # half of a surrogate pair has no UTF-8; the row is refused by name when it is checked
    content = re.sub("[\ud800-\udfff]", r"\\u0000", text).encode()
    write(file, [content])
    raw: msgspec.Raw = msgspec.json.decode(content, type=msgspec.Raw)
    return raw, file


def _length(rows: Any) -> int | None:
    return len(rows) if isinstance(rows, list) else None


def _text(value: Any, entity: str, row: int | None, faults: Faults) -> str | None:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:  # their texts may quote a value
        reason = f"holds a value that JSON cannot represent ({type(error).__name__})"
        place = pointer([entity, *([] if row is None else [row - 1])])
        faults.add(STRICT_JSON, reason, entity, row=row, pointer=place)
        return None
