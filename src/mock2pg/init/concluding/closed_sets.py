"""Columns whose texts are a closed set: few short words, each repeated."""

from __future__ import annotations

import re

from mock2pg.init.concluding.drafts import Column, TableDraft
from mock2pg.init.reading.profile import MOST_ALLOWED
from mock2pg.init.reading.spelled import TEXT

_ROWS, _EACH = 20, 5  # rows at least, and rows for each text
_WORD = re.compile(r"[^\W_][\w-]{0,31}( [\w-]{1,20})?")
_FREE = re.compile(
    r"(.*_)?(name|first|last|email|mail|city|town|street|address|country|state|region|county|title|phone|fax|zip"
    r"|postal_code|url|image|photo|avatar|file|path|comment|note|notes|description|text|body|message|company|brand"
    r"|author|username|login|password|version|ip|date|time|year|month|day|id|code|location|room|zone|number|no|key|token"
    r"|secret|hash|iban|ssn|account)"
)


def allowed(table: TableDraft, column: Column) -> tuple[str, ...]:
    """Return the texts that a column may have, in the order of the alphabet; empty where any text may come."""
    profile = column.profile
    if profile is None or column.typed.data_type != "text" or not profile.counts or column.kind != "own":
        return ()
    if column.name in table.key or any(column.name in link.columns for link in table.links):
        return ()
    counts = profile.counts
    enough = profile.values >= max(_ROWS, _EACH * len(counts)) and min(counts.values()) > 1
    if len(counts) > MOST_ALLOWED or len(counts) < 2 or not enough or _FREE.fullmatch(column.name):
        return ()
    if profile.spellings.keys() - {TEXT}:
        return ()
    return tuple(sorted(counts)) if all(_WORD.fullmatch(text) for text in counts) else ()
