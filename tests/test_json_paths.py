"""Paths into the source: every key can be written, and what is written is read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock2pg.json_paths import Mark, parsed, written

ELEMENT, MEMBER, SOURCE = Mark.ELEMENT, Mark.MEMBER, Mark.SOURCE


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        (".", ()),
        ("orders", ("orders",)),
        ("orders[]", ("orders", ELEMENT)),
        ("orders[].items[].sizes[]", ("orders", ELEMENT, "items", ELEMENT, "sizes", ELEMENT)),
        ("address.city", ("address", "city")),
        ("users{}", ("users", MEMBER)),
        ("matrix[][]", ("matrix", ELEMENT, ELEMENT)),
        ("[]", (ELEMENT,)),
        ("{}", (MEMBER,)),
        ("$.shop.orders[]", (SOURCE, "shop", "orders", ELEMENT)),
        ("_id.$oid", ("_id", "$oid")),
        ('"$".a', ("$", "a")),
        ('a."b.c"[].""', ("a", "b.c", ELEMENT, "")),
        ("line-items[].größe", ("line-items", ELEMENT, "größe")),
        ("a:b.*", ("a:b", "*")),
    ],
)
def test_a_path_is_keys_elements_and_members(path: str, steps: tuple[object, ...]) -> None:
    """A path is read into its keys and marks, and written again as it was."""
    assert parsed(path) == steps
    assert written(parsed(path)) == path


@pytest.mark.parametrize("path", ["", "a.", ".a", "a..b", "a.[]", "a[]b", "a b", '"a', "a[0]", "{", '"\\x"'])
def test_what_is_no_path_is_refused(path: str) -> None:
    """A path that is not one is refused, with the place where it stops being one."""
    with pytest.raises(ValueError, match="path"):
        parsed(path)


keys = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
marks = st.sampled_from((ELEMENT, MEMBER))


@given(st.lists(st.tuples(keys, st.lists(marks, max_size=2)), min_size=1, max_size=4), st.booleans())
def test_every_key_can_be_written(parts: list[tuple[str, list[Mark]]], from_source: bool) -> None:
    """Whatever a key holds, its path is read back as that key."""
    steps = tuple(step for key, marks in parts for step in (key, *marks))
    steps = (SOURCE, *steps) if from_source else steps
    assert parsed(written(steps)) == steps


@pytest.mark.parametrize("key", ["{{a}}", "{%", "{#x", "{{{", "\\{{", '"{{"', "a{", "{}"])
def test_a_key_that_looks_like_jinja_is_written_without_it(key: str) -> None:
    """dbt renders the declarations: in no path is anything for it to render, and the key is the same."""
    path = written((key, Mark.ELEMENT, key))
    assert parsed(path) == (key, Mark.ELEMENT, key)
    assert not {"{{", "{%", "{#"} & {path[at : at + 2] for at in range(len(path))}
