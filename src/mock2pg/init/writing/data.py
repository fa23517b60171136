"""mock_data/: the JSON of the source, one file for each of its members."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from mock2pg.source.documents import spool
from mock2pg.source.documents.splitting import split

_DATA = re.compile(r"[^.].*\.(json|ndjson|jsonl)(\.gz|\.zst)?", re.DOTALL)
_LINES = re.compile(r".*\.(ndjson|jsonl)(\.gz|\.zst)?", re.DOTALL)
FOLDER = "mock_data"


def copy(source: Path, project: Path, *, whole: str = "") -> str:
    """Copy the source into the project; return the path there that is to be migrated. Raises SourceError.

    whole  the key that the document as a whole is the value of; empty where its members are
    """
    into = project / FOLDER
    into.mkdir()
    if source.is_dir() or _LINES.fullmatch(source.name):
        for file in sorted(source.iterdir()) if source.is_dir() else [source]:
            if _DATA.fullmatch(file.name) and file.is_file():
                shutil.copyfile(file, into / file.name)
        return FOLDER
    if whole:
        document = into / f"{whole}.json"
        spool.copy(source, document, spool.UNPACKING, stream=False)
        document.chmod(0o644)
        return FOLDER
    stem = re.sub(r"\.json(\.gz|\.zst)?$", "", source.name)
    cut = split(source, into, stem)
    document = into / f"{stem}.json"
    if cut or not _is_object(document):
        return FOLDER
    plain = re.sub(r"[^\w-]", "_", stem)  # pyproject.toml names it, and so do people in a shell and in make
    return f"{FOLDER}/{document.rename(into / f'{plain}.json').name}"


def _is_object(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(1 << 12).lstrip()[:1] == b"{"
