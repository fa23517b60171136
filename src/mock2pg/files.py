"""Files that a reader sees whole or not at all."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path


def named(table: str) -> str:
    """The table's name as one of a file or of a part of a link: what is no letter, digit, - or _ as `=` and its hex."""
    return re.sub(r"[^\w-]", lambda found: "".join(f"={byte:02x}" for byte in found[0].encode()), table)


def write(file: Path, content: bytes) -> None:
    """Write a file aside, see it onto the disk, and give it its name. A failure leaves nothing. Raises OSError.

    Several threads may write the same file.
    """
    aside = file.with_name(f"{file.name}.{threading.get_native_id()}.part")
    try:
        with aside.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        aside.replace(file)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
