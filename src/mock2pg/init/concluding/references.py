"""References by name, confirmed by every row."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mock2pg.contracts import key_groups
from mock2pg.init.concluding.drafts import Column, Link, TableDraft, rename
from mock2pg.init.concluding.naming import CODES, PEOPLE, free, singular
from mock2pg.init.concluding.types import Typed
from mock2pg.init.reading.profile import NONE
from mock2pg.init.reading.spelled import INTEGER, ZEROS

_NEARLY = 0.9  # of the rows that have a value: a reference that is worth a warning
_SUFFIX = re.compile(r"(.+?)_(?:ids?|uuids?|keys?|codes?|refs?|no|number|fk|guid)")
_SELF = re.compile(
    r"(.*_)?(parent|manager|reports?_to|supervisor|boss|reply_to|replied_to|in_reply_to|previous|prev|next|original"
    r"|predecessor|successor|mother|father|spouse|mentor|replaces|duplicate_of|based_on|related|similar|child|children"
    r"|sibling|prerequisite|dependency|depends_on|blocked_by|reply|replies|linked)s?"
)
_PERSON = re.compile(
    r"(.*_)?(author|owner|creator|created_by|updated_by|modified_by|deleted_by|assignee|assigned_to|sender|receiver"
    r"|recipient|editor|reviewer|approver|approved_by|organizer|host|participant|attendee|follower|following|friend"
    r"|collaborator|subscriber|member|rep|agent|by|from|to|liked_by|like|contact|responsible|reporter|instructor"
    r"|advisor|manager|person|user|employee|staff)s?"
)


def conclude_references(table: TableDraft, tables: Sequence[TableDraft]) -> None:
    """Find the columns of a table that refer to others; what nearly holds is kept with its numbers."""
    for column in table.columns:
        linked = any(link.columns == (column.name,) for link in table.links)
        if column.kind == "own" and column.hashes is not None and column.values and not linked:
            refers_to(table, column, tables)
        elif column.kind == "own" and column.profile and not column.values and _SUFFIX.fullmatch(column.name):
            _without_values(table, column, tables)
        elif column.kind == "key" and (not table.rows.draft.parent or column.name not in table.key[-1:]):
            key_of_map(table, column, tables)


def _without_values(table: TableDraft, column: Column, tables: Sequence[TableDraft]) -> None:
    """Give a column without a value the type of the key that its name means: else it would be text."""
    for parent, of_parent in _named(table, column, tables)[:1]:
        doubt = f"holds no value: by its name it refers to {parent.name}.{of_parent.name}, and has its type"
        column.typed = Typed(of_parent.typed.data_type, "no value", of_parent.typed.format, (doubt,))
        table.links.append(Link((column.name,), parent, (of_parent.name,), 0, 0))


def key_of_map(table: TableDraft, column: Column, tables: Sequence[TableDraft]) -> None:
    """Find the table that the keys of a map refer to, and call the column so."""
    link = _by_inclusion(table, column, [other for other in tables if other is not table])
    if link:
        name = free(name_of_element(link), table.taken() - {column.name.casefold()})
        link.columns = (name,)
        rename(column, name, table, tables)


def name_of_element(link: Link) -> str:
    """Return the name of a column whose values are keys of another table: `product_id`."""
    column = link.parent_columns[0]
    return column if column.startswith(link.parent.word) else f"{link.parent.word}_{column}"


def refers_to(table: TableDraft, column: Column, tables: Sequence[TableDraft]) -> Link | None:
    """Return the reference of a column by its name, and keep it with the table; None where there is none."""
    named = _named(table, column, tables)
    for number, (parent, of_parent) in enumerate(named, start=1):
        link = _link(table, column, parent, of_parent, last=number == len(named))
        if link:
            table.links.append(link)
            if link.enforced and link.parent_columns not in (parent.key, *parent.uniques):
                parent.uniques.append(link.parent_columns)  # a foreign key needs it
            return link
    return None if named else _by_inclusion(table, column, tables)


def _named(table: TableDraft, column: Column, tables: Sequence[TableDraft]) -> list[tuple[TableDraft, Column]]:
    """The columns that the name of a column may mean, the nearest first."""
    if column.name in ("id", "uuid", "guid", "key", "position"):
        return []
    bases = _bases(column.name)
    if table.rows.draft.scalar:
        bases += [singular(base) for base in bases]
    found: list[tuple[int, TableDraft, Column]] = []
    for parent in tables:
        key = _single_key(parent)
        for of_parent in parent.columns:
            if of_parent is column or of_parent.hashes is None:
                continue
            is_key, elsewhere = of_parent is key, parent is not table
            if not elsewhere and column.name.startswith(f"{parent.word}_") and _nearness(bases, parent.word) == 0:
                continue  # `order_number` of orders is another name of the row itself
            same = is_key and elsewhere and column.name == of_parent.name and of_parent.name.startswith(parent.word)
            if same:
                found.append((0, parent, of_parent))
            elif is_key and (nearness := _nearness(bases, parent.word)) is not None:
                found.append((nearness, parent, of_parent))
            elif elsewhere and of_parent.name in CODES and column.name == f"{parent.word}_{of_parent.name}":
                found += [(1, parent, of_parent)] if _unique(of_parent) else []
    found.sort(key=lambda one: (one[0], -len(one[1].word)))
    candidates = [(parent, of_parent) for _, parent, of_parent in found]
    return candidates or _by_role(table, column, tables)


def _by_role(table: TableDraft, column: Column, tables: Sequence[TableDraft]) -> list[tuple[TableDraft, Column]]:
    """The column that a role means: another row of the same table, or the only table of people."""
    plain = _SUFFIX.fullmatch(column.name)
    base = plain[1] if plain else column.name
    own = table.parent if table.parent and (table.rows.draft.scalar or column.wrapped) else table
    found = []
    if table.key == (column.name,):
        return []
    if _SELF.fullmatch(base) and (key := _single_key(own)) and key is not column:
        found.append((own, key))
    if _PERSON.fullmatch(base):
        people = [(parent, key) for parent in tables if parent.word in PEOPLE and (key := _single_key(parent))]
        others = [(parent, key) for parent, key in people if parent is not table]
        for only in (people, others):
            if len(only) == 1 and only[0][1] is not column and only[0] not in found:
                found += only
    return found


def _bases(name: str) -> list[str]:
    plain = _SUFFIX.fullmatch(name)
    bases = [plain[1]] if plain else []
    bases.append(name)
    return [form for base in bases for form in dict.fromkeys((base, singular(base)))]


def _nearness(bases: Sequence[str], word: str) -> int | None:
    last = word.rpartition("_")[2]
    for base in bases:
        if base == word:
            return 0
        if base.endswith(f"_{word}"):
            return 2
        if word.endswith(f"_{base}"):
            return 3
    return 4 if any(base == last for base in bases) else None


def _single_key(table: TableDraft) -> Column | None:
    key = table.column(table.key[0]) if len(table.key) == 1 else None
    return key if key is not None and key.kind in ("own", "key") and key.hashes is not None else None


def _unique(column: Column) -> bool:
    return column.kind == "own" and column.keyable and column.distinct() == column.rows


def _link(table: TableDraft, column: Column, parent: TableDraft, of_parent: Column, *, last: bool) -> Link | None:
    """The reference of a column to another, when it holds or nearly holds; `last` of those that its name may mean."""
    theirs, own = of_parent.typed.data_type, column.typed.data_type
    if not _comparable(own, theirs):
        if last and _SUFFIX.fullmatch(column.name):
            table.doubt(f"is {own}, and {parent.name}.{of_parent.name} is {theirs}: no foreign key", column.name)
        return None
    keys = set(of_parent.hashes or ())
    keys.discard(NONE)
    held = sum(value in keys for value in column.hashes or ())
    if held == column.values:
        return Link((column.name,), parent, (of_parent.name,), held, held)
    first = [row for row, value in enumerate(column.hashes or ()) if value != NONE and value not in keys][:3]
    missing = column.values - held
    places = ", ".join(table.where(row, column) for row in first) + (", ..." if missing > len(first) else "")
    if held >= _NEARLY * column.values:
        table.doubt(
            f"refers to {parent.name}.{of_parent.name} in {held:,} of {column.values:,} rows: a rule that warns,"
            f" no foreign key ({places})",
            column.name,
        )
        return Link((column.name,), parent, (of_parent.name,), held, column.values)
    if last and _SUFFIX.fullmatch(column.name):
        table.doubt(
            f"looks like a reference to {parent.name}.{of_parent.name}, but only {held:,} of {column.values:,} rows"
            f" have one: no foreign key ({places})",
            column.name,
        )
    return None


def _comparable(own: str, theirs: str) -> bool:
    whole = ("integer", "bigint")
    return own == theirs or (own in whole and theirs in whole)


def _by_inclusion(table: TableDraft, column: Column, tables: Sequence[TableDraft]) -> Link | None:
    """Of a column that is named as a reference, but as none of the tables: the one table that has all its values."""
    named = _SUFFIX.fullmatch(column.name) and column.name not in table.key and not _is_own_name(table, column)
    if not (named or column.kind == "key"):
        return None
    found = []
    for parent in tables:
        key = _single_key(parent)
        if key is None or key is column or not _comparable(column.typed.data_type, key.typed.data_type):
            continue
        keys = set(key.hashes or ())
        if all(value in keys or value == NONE for value in column.hashes or ()):
            found.append((parent, key))
    if len(found) == 1 and column.distinct() > 1 and _tells(column):
        parent, key = found[0]
        link = Link((column.name,), parent, (key.name,), column.values, column.values)
        table.links.append(link)
        table.doubt(
            f"refers to {parent.name}.{key.name}: not by its name, but no other key has all its values", column.name
        )
        return link
    if column.kind == "own" and found and ([parent for parent, _ in found] != [table] or _tells(column)):
        names = ", ".join(parent.name for parent, _ in found)
        table.doubt(f"is named like a reference, and its values are keys of {names}: no foreign key", column.name)
    return None


def _tells(column: Column) -> bool:
    """Its values are no small numbers, which are among the keys of many tables."""
    profile = column.profile
    numbers = {INTEGER, ZEROS}
    return column.typed.data_type in ("text", "uuid") and profile is not None and not set(profile.spellings) <= numbers


def _is_own_name(table: TableDraft, column: Column) -> bool:
    return column.name.startswith(table.word + "_")


def ordered(tables: Sequence[TableDraft]) -> tuple[list[TableDraft], list[set[str]]]:
    """Return the tables, parents before children, and the sets of those that refer to each other in a circle."""
    parents = {table.name: {link.parent.name for link in table.links if link.enforced} for table in tables}
    groups = key_groups([table.name for table in tables], parents)
    by_name = {table.name: table for table in tables}
    circles = [set(group) for group in groups if len(group) > 1]
    return [by_name[name] for group in groups for name in group], circles
