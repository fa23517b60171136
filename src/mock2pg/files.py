"""Files that a reader sees whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write(file: Path, content: bytes) -> None:
    """Write a file aside, see it onto the disk, and give it its name. A failure leaves nothing. Raises OSError."""
    aside = file.with_name(file.name + ".part")
    try:
        with aside.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        aside.replace(file)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
