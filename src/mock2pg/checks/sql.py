"""Names and texts inside SQL."""

from __future__ import annotations

# Characters that leave no mark: Unicode's white space, and the zero-width ones that it does not count as such.
BLANK = "".join(
    character
    for character in map(chr, range(0x10000))
    if character.isspace() or character in "\u180e\u200b\u200c\u200d\u2060\ufeff"
)


def identifier(name: str) -> str:
    """An SQL identifier in a text for SQLAlchemy, to which `:name` is a parameter."""
    return ('"' + name.replace('"', '""') + '"').replace(":", "\\:")


def string(text: str) -> str:
    """An SQL string in such a text."""
    return ("'" + text.replace("'", "''") + "'").replace(":", "\\:")


def quoted(name: str) -> str:
    """An identifier in a query whose `{batch}` Great Expectations fills in."""
    return identifier(name).replace("{", "{{").replace("}", "}}")


def literal(text: str) -> str:
    """A string in such a query."""
    return string(text).replace("{", "{{").replace("}", "}}")


def is_blank(text: str) -> str:
    """SQL, for such a query, for whether a text consists of white space alone. To trim is slow: few texts begin so."""
    first = f"strpos({literal(BLANK)}, left({text}, 1)) > 0"
    return f"CASE WHEN {first} THEN trim({text}, {literal(BLANK)}) = '' ELSE {text} = '' END"
