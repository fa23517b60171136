"""Names in SQL from keys in JSON: snake_case, in any script, of a length that PostgreSQL keeps."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection, Iterable

from mock2pg.contracts import RESERVED
from mock2pg.staged_tables import HIDDEN

_LONGEST = 63  # bytes
_RESERVED = {*HIDDEN, "ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"}  # staging's columns, and PostgreSQL's own
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
CODES = ("code", "sku", "slug", "isbn", "iso", "key", "number", "no", "username", "email", "symbol", "abbreviation")
PEOPLE = ("user", "person", "employee", "account", "member", "staff", "customer", "profile", "contact")
_IRREGULAR = {
    "people": "person", "children": "child", "men": "man", "women": "woman", "mice": "mouse", "feet": "foot",
    "teeth": "tooth", "geese": "goose", "data": "datum", "criteria": "criterion", "media": "medium",
    "indices": "index", "matrices": "matrix", "vertices": "vertex", "movies": "movie", "cookies": "cookie",
    "staff": "staff", "series": "series", "news": "news", "species": "species", "status": "status",
    "buses": "bus", "statuses": "status", "aliases": "alias", "leaves": "leaf", "shelves": "shelf", "lives": "life",
    "wives": "wife", "knives": "knife", "halves": "half", "caches": "cache", "axes": "axis", "quizzes": "quiz",
}  # fmt: skip


def snake(key: str) -> str:
    """Return a key as a name: `orderID` and `Order-Id` are `order_id`; empty when it has no letter and no digit."""
    spelled = unicodedata.normalize("NFC", key)
    words = _WORDS.sub("_", spelled)
    name = "".join(c if c.isalnum() or unicodedata.category(c) in ("Mn", "Mc") else "_" for c in words).lower()
    name = re.sub("_+", "_", unicodedata.normalize("NFC", name)).strip("_")
    return f"_{name}" if name[:1].isdigit() else name


def of_tables(keys: Iterable[str]) -> dict[str, str]:
    """Return the tables' names for the keys of a source: of `mockUsers`, `users.mock` and `usersData` `users`."""
    names = {key: snake(key) for key in keys}
    return {key: name if (plain := _plain(name)) in names.values() else plain for key, name in names.items()}


def _plain(name: str) -> str:
    plain = re.sub(r"^(mocks?|fake|dummy)_(?=.)|(?<=.)_(mocks?|fake|dummy)$", "", name)
    data = plain.removesuffix("_data")
    return data if singular(data) != data else plain


def shortened(name: str) -> str:
    """Return a name of 63 bytes at most; a longer one ends with a hash of itself."""
    text = name.encode()
    if len(text) <= _LONGEST:
        return name
    mark = "_" + hashlib.sha256(text).hexdigest()[:8]
    return text[: _LONGEST - len(mark)].decode(errors="ignore") + mark


def free(name: str, taken: Collection[str], fallback: str = "value") -> str:
    """Return the name, with a number behind it when it is taken; `taken` are names in casefold."""
    wanted = shortened(name or fallback)
    number, found = 1, wanted
    while found.casefold() in taken or found.casefold() in _RESERVED:
        number += 1
        suffix = f"_{number}"
        found = wanted.encode()[: _LONGEST - len(suffix)].decode(errors="ignore") + suffix
    return found


def free_for_table(name: str, taken: Collection[str]) -> str:
    """Return the name for a table: with an underscore before it if it is one that mock2pg keeps for its own tables."""
    found = free(name, taken, "rows")
    return free(f"_{found}", taken) if found.startswith(RESERVED) else found


def singular(name: str) -> str:
    """Return the name with its last word in the singular: `order_items` is `order_item`."""
    head, mark, word = name.rpartition("_")
    return head + mark + _singular(word)


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if re.search(r"(ss|sh|ch|x|z|o)es$", word) and len(word) > 4:
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 2:
        return word[:-1]
    return word
