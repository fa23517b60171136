"""The parsed project, kept in the cache folder, so that an unchanged project is not parsed again.

What is kept is a pickle, as __pycache__ is: dbt's own format takes 0.16 s to read, this one 0.01. So it is read only
when this user wrote it and nobody else could, and makes objects of dbt's own types and nothing else.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import re
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mock2pg import environment, resources

DBT = ("dbt-core", "dbt-adapters", "dbt-common", "dbt-postgres")
_DATA = ("dbt.", "dbt_common.", "dbt_semantic_interfaces.", "jinja2.nodes")
_DATES = {("datetime", name) for name in ("date", "datetime", "time", "timedelta")}
_DATES |= {("dateutil.tz.tz", "tzlocal"), ("dateutil.tz.tz", "tzutc"), ("pytz", "_UTC")}
_VARIABLE = re.compile(rb"env_var\s*\((?:\s*['\"](\w+)['\"])?")
_SECRET = re.compile(r"DBT_ENV_SECRET_.*|.*PASSWORD|DATABASE_URL")
_OUTPUTS = ("target", "logs")  # what dbt writes into the project's folder when it is run there
_KEPT = 4  # a project on two databases in two modes
_DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True)
class Kept:
    """A parsed project: manifest.json, and dbt's Manifest, which can be built once."""

    document: bytes
    manifest: Any


def file_of(cache: Path, project: Path, connection: Mapping[str, str], facts: str) -> Path | None:
    """Return the file of a project as it is now. Returns None where nobody can tell what has changed.

    facts  what else the parsed project depends on
    """
    known = project_hash((project,), connection, facts)
    return cache / f"dbt_manifest_{known}.pickle" if known else None


def project_hash(folders: Sequence[Path], connection: Mapping[str, str], facts: str) -> str | None:
    """Return a hash of every file of the folders, the package's macros and profile included, of every variable they
    ask for, and of the versions of Python and dbt.

    facts  what else it is to change with
    Returns None where a variable's name is computed, or a file cannot be read: nobody can tell what has changed.
    """
    places = (*folders, resources.MACROS, resources.PROFILES)
    known, variables = hashlib.sha256(f"{sys.version}\0{[version(name) for name in DBT]}\0{facts}".encode()), set()
    try:
        for number, place in enumerate(places):
            for file in sorted(_files(place)):
                content = file.read_bytes()
                variables.update(_VARIABLE.findall(content))
                name = f"{number} {file.relative_to(place)}".encode(errors="surrogateescape")
                known.update(b"\0%b\0%d\0%b" % (name, len(content), content))
    except OSError:
        return None
    if b"" in variables:
        return None
    there = environment.within(**connection)
    for variable in sorted(found.decode() for found in variables):
        if not _SECRET.fullmatch(variable):  # no password gets into the manifest
            known.update(f"\0{variable}={there.get(variable)!r}".encode(errors="surrogateescape"))
    return known.hexdigest()


def load(file: Path) -> Kept | None:
    """Return what is kept; None where there is no file, or one that is not to be trusted."""
    with suppress(Exception):  # damaged in whatever way, it is written anew
        from mock2pg.build.patched_dbt import Manifest

        document, given = read(file)
        return Kept(document, Manifest(**given))
    return None


def keep(file: Path, kept: Kept) -> None:
    """Keep it, unless dbt read files outside of the project, whose changes nobody would notice."""
    manifest = kept.manifest
    sources = manifest.files.values()
    if any(_unwatched(source.original_file_path) for source in sources):
        return
    # Not the Manifest itself: its __reduce_ex__ leaves out `fixtures`. What begins with _ is made when it is asked for.
    given = {each.name: getattr(manifest, each.name) for each in fields(manifest) if not each.name.startswith("_")}
    write(file, pickle.dumps((kept.document, given)))
    with suppress(OSError):
        newest = sorted(file.parent.glob("dbt_manifest_*"), key=lambda each: -each.stat().st_mtime)
        for old in newest[_KEPT:]:
            old.unlink(missing_ok=True)


def read(file: Path) -> Any:
    """Return what `write` wrote; None where there is no file, or one that is not to be trusted."""
    with suppress(Exception):
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as opened:
            found = os.fstat(descriptor)
            ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and found.st_nlink == 1
            content = opened.read() if ours and not found.st_mode & 0o077 else b""
        digest, packed = content[:_DIGEST], content[_DIGEST:]
        if digest == _digest(file, packed):
            return Data(io.BytesIO(packed)).load()
    return None


def write(file: Path, packed: bytes) -> None:
    """Write a pickle for this user alone."""
    aside = file.with_name(f"{file.name}.{os.getpid()}")
    with suppress(OSError):  # a cache that cannot be written costs time and nothing else
        file.parent.mkdir(parents=True, exist_ok=True)
        aside.unlink(missing_ok=True)
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "wb") as opened:
            opened.write(_digest(file, packed) + packed)
        aside.replace(file)


def _unwatched(path: str) -> bool:
    return ".." in path or (Path(path).is_absolute() and not Path(path).is_relative_to(resources.MACROS))


def _files(project: Path) -> Iterator[Path]:
    """Every file of the project, through links to folders, too, as dbt looks for them; or the one file that it is."""
    if project.is_file():
        yield project
    for folder, folders, names in os.walk(project, followlinks=True):
        if Path(folder) == project:
            folders[:] = [name for name in folders if name not in _OUTPUTS]
        yield from (Path(folder, name) for name in names)


def _digest(file: Path, packed: bytes) -> bytes:
    """Of what was written for this name: under another one it is another project's."""
    return hashlib.sha256(file.name.encode() + packed).digest()


def _member(kind: Any, name: str) -> Any:
    if not (isinstance(kind, type) and issubclass(kind, Enum)):
        raise pickle.UnpicklingError(f"{name} is no member of an Enum")
    return kind[name]


class Data(pickle.Unpickler):
    """Makes objects of dbt's types and of Jinja's nodes, and dates; calls nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("builtins", "getattr"):  # as Python 3.11.0 to 3.11.3 write the members of an Enum
            return _member
        if (module, name) in _DATES:
            return super().find_class(module, name)
        found = super().find_class(module, name) if module.startswith(_DATA) else None
        if not isinstance(found, type) or found.__module__ != module:  # one that the module only imports, as a.b.Popen
            raise pickle.UnpicklingError(f"{module}.{name} is none of dbt's types")
        return found
