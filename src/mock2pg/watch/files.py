"""The files of runs/ that a page may link to: reports, and what they name."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

# What a run leaves for people; the private files of a run at work are of other kinds.
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".ipynb": "application/x-ipynb+json",
    ".json": "application/json",
    ".jsonl": "text/plain; charset=utf-8",
    ".log": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".xml": "text/plain; charset=utf-8",
}
_SITE = ".site"  # the one hidden folder that pages link to
_PART = re.compile(r"[^.\\\0/][^\\\0/]*")


def read(runs: Path, path: str) -> tuple[bytes, str] | None:
    """Return a file of the folder of runs and its type; None for what is not there, or not to be read.

    A link may lead to another run (`latest`), and never out of the folder.
    """
    parts = path.split("/")
    if parts[-1] == "":
        parts[-1] = "index.html"
    kind = _KINDS.get(Path(parts[-1]).suffix)
    if kind is None or not _is_visible(parts):
        return None
    with suppress(OSError, ValueError):
        root = runs.resolve(strict=True)
        file = root.joinpath(*parts).resolve(strict=True)
        if file.is_relative_to(root) and _is_visible(file.relative_to(root).parts) and file.suffix in _KINDS:
            with open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
                if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                    return stream.read(), kind
    return None


def _is_visible(parts: Sequence[str]) -> bool:
    """Return whether no part is hidden or leads up."""
    return all(_PART.fullmatch(part) or (part == _SITE and not number) for number, part in enumerate(parts))
