"""The words in which dbt's declarations reach Python, and the order that references put tables into."""

from __future__ import annotations

import itertools

from mock2pg.contracts import key_groups


def test_parents_come_before_children() -> None:
    """Whatever the order given, each name comes after those it refers to; equals keep the order given."""
    parents = {"c": {"b"}, "b": {"a", "b"}, "e": {"d", "not there"}}
    for names in itertools.permutations("abcde"):
        ordered = [name for (name,) in key_groups(names, parents)]
        assert sorted(ordered) == list("abcde")
        assert ordered.index("a") < ordered.index("b") < ordered.index("c")
        assert ordered.index("d") < ordered.index("e")
    assert key_groups(["z", "y", "x"], {}) == [["z"], ["y"], ["x"]]


def test_a_cycle_comes_after_what_it_refers_to_and_before_what_refers_to_it() -> None:
    """b and c refer to each other and to a; d hangs on c; e and f are a cycle that refers to d: each is one group."""
    parents = {"b": {"a", "c"}, "c": {"b"}, "d": {"c"}, "e": {"f", "d"}, "f": {"e"}}
    for names in itertools.permutations("abcdef"):
        groups = key_groups(names, parents)
        place = {name: at for at, group in enumerate(groups) for name in group}
        assert len(groups) == 4
        assert place["b"] == place["c"]
        assert place["e"] == place["f"]
        assert place["a"] < place["b"]
        assert place["c"] < place["d"] < place["e"]
