"""Mock data out of recipes, whatever they are about."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from mock2pg.errors import InternalError, UsageError
from mock2pg.source import sample


def test_a_folder_without_recipes_is_refused(tmp_path: Path) -> None:
    """Recipes are looked for where the project keeps them; none is a mistake in the command."""
    with pytest.raises(UsageError, match="no recipes"):
        sample.generate(tmp_path, tmp_path / "out", rows=50, seed=1)


@pytest.mark.parametrize(
    ("recipe", "statement"),
    [
        ("things.sql", "select nothing from nowhere"),
        ("things.sql", "select case when n < 40000 then n else error('secret') end from range(50000) as t(n)"),
        ("_more.sql", "select 'secret'::integer"),
    ],
)
def test_a_recipe_that_does_not_run_is_named(tmp_path: Path, recipe: str, statement: str) -> None:
    """A recipe that fails, also half way, is named without a value, and no file stays behind."""
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    (recipes / "_macros.sql").write_text("create macro sparse(object, n) as to_json(object)")
    (recipes / "good.sql").write_text("select n as id from range(3) as t(n)")
    (recipes / recipe).write_text(statement)
    with pytest.raises(InternalError, match=f"the recipe {recipe} does not run") as caught:
        sample.generate(recipes, tmp_path / "out", rows=50, seed=1)
    assert "secret" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_recipe_may_have_no_rows(tmp_path: Path) -> None:
    """A recipe without rows gives an empty array; recipes of any other domain work the same way."""
    (tmp_path / "_macros.sql").write_text("create macro sparse(object, n) as to_json(object)")
    (tmp_path / "boats.sql").write_text("select n as id from range(getvariable('rows')) as t(n) where n < 0")
    assert sample.generate(tmp_path, tmp_path / "out", rows=50, seed=1) == {"boats": 0}
    assert json.loads((tmp_path / "out" / "boats.json").read_text()) == []


def test_without_mimesis_there_is_no_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """mock2pg is installed without it, and says what to install; nothing stays behind."""
    (tmp_path / "boats.sql").write_text("select 1 as id")
    monkeypatch.delitem(sys.modules, "mock2pg.source.people", raising=False)
    monkeypatch.delattr("mock2pg.source.people", raising=False)
    monkeypatch.setitem(sys.modules, "mimesis", None)
    with pytest.raises(UsageError, match="a sample needs mimesis, which is not installed") as failed:
        sample.generate(tmp_path, tmp_path / "out", rows=50, seed=1)
    assert failed.value.hint == "Install it with: pip install 'mock2pg[sample]'"
    assert not (tmp_path / "out").exists()
