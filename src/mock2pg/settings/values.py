"""Settings that hold several values in one text: read, and taken apart."""

from __future__ import annotations

import re
from decimal import Decimal

from pydantic import SecretStr

_BETWEEN = " \t\r\n,;"  # what may separate the URLs of services


def share(setting: str, rows: int) -> int:
    """A number of rows or a share of them, as max_refused and max_deleted give it, as a number of rows."""
    return int(Decimal(setting.removesuffix("%")) * rows / 100) if setting.endswith("%") else int(setting)


def unpacked(setting: str) -> tuple[int, int]:
    """Read max_unpacked: a factor, and a number of bytes."""
    times, total = setting.split(",")
    return int(times.removesuffix("x")), size(total)


def size(setting: str) -> int:
    """Read a number of bytes: 512MiB."""
    return int(setting[:-3]) << {"M": 20, "G": 30}[setting[-3]]


def notification_urls(setting: SecretStr | None) -> list[str]:
    """The URLs in notify_urls. A comma separates two where the next one begins, so that a URL may hold commas."""
    text = setting.get_secret_value().strip(_BETWEEN) if setting else ""
    return re.split(rf"[{_BETWEEN}]+(?=[A-Za-z0-9]+://)", text) if text else []


def listed(setting: str) -> list[str]:
    """The names in a setting that takes several, comma-separated."""
    return [name.strip() for name in setting.split(",") if name.strip()]
