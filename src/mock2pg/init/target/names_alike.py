"""Names that mean the same: `userId` and `user_id`, `User` and `users`, `order-items` and `OrderItem`."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+|\d+")


def words(name: str) -> tuple[str, ...]:
    """The words of a name in any of the usual styles, in lower case."""
    return tuple(word.lower() for word in _WORD.findall(name))


def singular(word: str) -> str:
    """One form for singular and plural; of a word that is neither, whatever the same rules make of it."""
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("shes", "sh"), ("ches", "ch"), ("xes", "x"), ("zes", "z")):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word[: -len(ending)] + instead
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 2 else word


def column_form(name: str) -> str:
    """The form that names of the same column share."""
    return "".join(words(name)) or name.casefold()


def table_form(name: str) -> str:
    """The form that names of the same table share."""
    return "".join(map(singular, words(name))) or name.casefold()


_IRREGULAR = {"people": "person", "children": "child", "men": "man", "women": "woman", "mice": "mouse"}
_IRREGULAR |= {"statuses": "status", "addresses": "address", "buses": "bus", "analyses": "analysis", "data": "datum"}
