"""Objects that are used as maps: their keys are data, and each member is a row."""

from __future__ import annotations

import re

from mock2pg.init.reading.shapes import Shape, merged

# what nobody calls a field: a number, a UUID or hash, a date, an e-mail address, a word and a number (u1, user-12)
_DATA = re.compile(
    r"-?\d+|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-.{22}|[0-9a-fA-F]{16,}|\d{4}-\d{2}(-\d{2}.*)?|[^@\s]+@[^@\s]+\.[^@\s]+"
    r"|-[A-Za-z0-9_-]{19}|[A-Za-z]{1,12}[-_:#]?\d+"
)
# what is the key of an object, if all its siblings are objects alike: a language, a word and a code (usr_8f3k2)
_OF_OBJECTS = re.compile(r"[a-z]{2}([-_][A-Z]{2})?|[A-Za-z]{1,12}[-_:#](?=[A-Za-z]*\d)[A-Za-z0-9]{3,}")
WIDEST = 40  # members of an object that is no map, if they are alike
_MANY = 8  # keys from which on presence tells
_ALIKE = 5  # objects of one shape in one object that are no coincidence


def is_map(shape: Shape) -> bool:
    """Return whether the objects of a shape are maps: keys that look like data, or that vary, with values alike."""
    members = shape.members
    if shape.others is not None:
        return True
    if not members or not _alike(shape):
        return False
    if all(_DATA.fullmatch(key) for key in members):
        return len(members) > 1 or shape.kinds[dict] == 1 or next(iter(members.values())).objects_only
    objects_only = all(member.objects_only and len(member.members) > 1 for member in members.values())
    if objects_only and len(members) > 1 and all(_OF_OBJECTS.fullmatch(key) for key in members):
        return True
    objects, present = shape.kinds[dict], sum(member.kinds.total() for member in members.values())
    if shape.named == present or len(members) > WIDEST:
        return True
    presence = present / (len(members) * objects)
    if objects > 1:
        return len(members) >= _MANY and presence <= 0.5
    return len(members) >= _ALIKE and all(len(member.members) > 1 for member in members.values())


def is_row(shape: Shape) -> bool:
    """Return whether a document is one row, such as a configuration: values, and nothing in it is a table."""
    members = shape.members.values()
    return any(member.plain for member in members) and not any(map(_holds_rows, members))


def _holds_rows(shape: Shape) -> bool:
    if shape.arrays_only:
        return shape.element is None or not shape.element.plain
    return shape.objects_only and (is_map(shape) or any(map(_holds_rows, shape.members.values())))


def _alike(shape: Shape) -> bool:
    """Its members are all objects of much the same keys, all arrays, or all scalars of one kind."""
    members = list(shape.members.values())
    together = merged(members)
    if len(together.found) != 1:
        return False
    if not together.objects_only:
        return True
    keys = [set(member.members) for member in members if member.members]
    common = sum(len(own) for own in keys) / max(1, len(keys) * len(together.members))
    return len(keys) < 2 or common >= 0.5
