"""Parts of dbt that it reads anew for each project: the macros of its own packages, and the schemas of its types.

They follow from versions and from the content of dbt's files, so they are kept beside this module's bytecode, for all
projects, and read as warily as a parsed project.
"""

from __future__ import annotations

import copy
import hashlib
import io
import pickle
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import cache_from_source
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mock2pg.build import kept_manifest

_PACKAGES = ("dbt", "dbt_postgres")
_LIBRARIES = (*kept_manifest.DBT, "Jinja2", "mashumaro")


@dataclass
class _Parts:
    """macros   of a file, by its name and content: pickled, with the calls in each
    schemas  of a type, by its name
    read     the macros of files that were not kept, and where dbt then has the calls in them
    known    how many of the schemas are kept
    """

    macros: dict[bytes, bytes] = field(default_factory=dict)
    schemas: dict[str, Any] = field(default_factory=dict)
    read: dict[bytes, tuple[list[Any], dict[str, Any]]] = field(default_factory=dict)
    known: int = 0


_parts: _Parts | None = None


def macros_of(read: Callable[[Any, Any], Iterable[Any]], calls: dict[str, Any]) -> Callable[[Any, Any], Iterable[Any]]:
    """Return dbt's function that reads the macros of a file, for a parser and the file, or what is kept of it.

    calls  the text of a macro -> what holds the calls in it, where dbt looks before it reads the text again
    """

    def known(parser: Any, file: Any) -> Iterable[Any]:
        if file.package_name not in _PACKAGES:
            return read(parser, file)
        parts, name = _all(), f"{file.package_name}\0{file.original_file_path}\0{file.raw_code}"
        key = hashlib.sha256(name.encode()).digest()
        if key not in parts.macros or (kept := _loaded(parts.macros[key])) is None:
            found = list(read(parser, file))
            parts.read[key] = copy.deepcopy(found), calls  # dbt goes on to write into them
            return found
        macros, called = kept
        for macro, found in zip(macros, called, strict=True):
            macro.created_at = time.time()
            calls[macro.macro_sql] = SimpleNamespace(_dbt_cached_calls=found)
        return list(macros)

    return known


def schema_of(make: Callable[[type], Any]) -> Callable[[type], Any]:
    """Return dbt's function that makes the schema of a type, or what is kept of it."""

    def known(kind: type) -> Any:
        schemas, name = _all().schemas, f"{kind.__module__}.{kind.__qualname__}"
        if name not in schemas:
            schemas[name] = make(kind)
        return schemas[name]

    return known


def keep() -> None:
    """Keep what was not kept yet."""
    if (parts := _parts) is None:  # nothing was asked for
        return
    for key, (macros, calls) in parts.read.items():
        if any(macro.macro_sql not in calls for macro in macros):  # dbt did not get so far
            return
        called = [calls[macro.macro_sql]._dbt_cached_calls for macro in macros]
        for node in (node for found in called for call in found for node in _nodes(call)):
            node.environment = None
        parts.macros[key] = pickle.dumps((macros, called))
    if parts.read or len(parts.schemas) > parts.known:
        kept_manifest.write(_file(), pickle.dumps((parts.macros, parts.schemas)))
    parts.read, parts.known = {}, len(parts.schemas)


def forget() -> None:
    """Read the file again when a part is needed."""
    global _parts
    _parts = None


def _all() -> _Parts:
    global _parts
    if _parts is None:
        macros, schemas = kept_manifest.read(_file()) or ({}, {})
        _parts = _Parts(macros, schemas, known=len(schemas))
    return _parts


def _loaded(packed: bytes) -> Any:
    """Return macros and the calls in them; None where they cannot be read, and have to be kept anew."""
    with suppress(Exception):
        return kept_manifest.Data(io.BytesIO(packed)).load()
    return None


def _file() -> Path:
    versions = hashlib.sha256(f"{sys.version}\0{[version(name) for name in _LIBRARIES]}".encode()).hexdigest()
    return Path(cache_from_source(__file__)).with_name(f"dbt_parts_{versions}.pickle")


def _nodes(call: Any) -> Iterable[Any]:
    yield call
    for child in call.iter_child_nodes():
        yield from _nodes(child)
