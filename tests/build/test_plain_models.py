"""Projects of which dbt makes the same statements each time."""

from __future__ import annotations

from typing import Any

import pytest

from mock2pg import resources
from mock2pg.build.plain_models import are_plain

TEXT = "{# all #}select * from {{ source('landing', 'pets') }} where kind = '{{ var(\"kind\") }}'"
MODEL = {
    "resource_type": "model",
    "language": "sql",
    "package_name": "shop",
    "original_file_path": "models/pets.sql",
    "patch_path": "shop://models/pets.yml",
    "raw_code": TEXT,
    "config": {"materialized": "table", "pre-hook": [], "post-hook": []},
}
FILE = {"package_name": "shop", "original_file_path": "models/pets.yml"}
TEST = {**FILE, "resource_type": "test", "config": {}, "raw_code": "{{ test_unique(**_dbt_generic_test_kwargs) }}",
        "test_metadata": {"name": "unique", "namespace": None}}  # fmt: skip
START = {**FILE, "resource_type": "operation", "config": {}, "raw_code": "{{ refuse_to_build_published() }}"}
OURS = {"package_name": "shop", "original_file_path": str(resources.MACROS / "table.sql")}


def manifest(*nodes: dict[str, Any], macros: tuple[dict[str, Any], ...] = (), **more: Any) -> dict[str, Any]:
    every = ({"package_name": "dbt", "original_file_path": "macros/x.sql"}, OURS, *macros)
    return {
        "nodes": {str(number): node for number, node in enumerate((MODEL, *nodes))},
        "macros": {str(number): macro for number, macro in enumerate(every)},
        "metadata": {"project_name": "shop"},
        **more,
    }


def test_models_that_name_tables_and_variables_are_plain() -> None:
    """Comments, dbt's own data tests and the settings of a model in its text are, too."""
    settings = {**MODEL, "raw_code": "{{ config(materialized='view', enabled=true) }}\nselect * from {{ ref('pets') }}"}
    assert are_plain(manifest(settings, TEST, START))


@pytest.mark.parametrize(
    "node",
    [
        *(
            {**MODEL, "raw_code": f"select {code} as id"}
            for code in (
                "'{{ run_started_at }}'", "'{{ invocation_id }}'", "{{ now() }}", "'{{ env_var(\"X\") }}'",
                "{% if execute %} 1 {% endif %}", "{{ run_query('select 1') }}", "{{ this }}",
                "{{ var(modules.datetime.datetime.now()) }}", "{{{{ ref('a') }} }",
            )
        ),
        *({**MODEL, "config": {**MODEL["config"], name: ["x"]}} for name in ("pre-hook", "post-hook", "sql_header")),  # type: ignore[dict-item]
        {**MODEL, "config": {"materialized": "incremental"}},
        {**MODEL, "language": "python"},
        {**MODEL, "original_file_path": "../shared/pets.sql"},
        {**MODEL, "patch_path": "shop://../shared/pets.yml"},
        {**MODEL, "package_name": "other"},
        {**TEST, "original_file_path": "/shared/pets.yml"},
        {**FILE, "resource_type": "seed", "config": {}, "raw_code": ""},
        {**FILE, "resource_type": "snapshot", "config": {}, "raw_code": TEXT},
        {**START, "raw_code": "{{ other() }}"},
        {**TEST, "test_metadata": None, "raw_code": "select 1"},
        {**TEST, "test_metadata": {"name": "unique", "namespace": "dbt_utils"}},
        {**TEST, "test_metadata": {"name": "own", "namespace": None}},
    ],
)  # fmt: skip
def test_what_may_become_another_statement_is_not(node: dict[str, Any]) -> None:
    """The clock, the environment, a query, a hook, a seed, a snapshot and a test of the project's own are not plain."""
    assert not are_plain(manifest(node))


def test_macros_of_others_are_not() -> None:
    """A macro of the project or of a package may take the place of one of dbt's."""
    for macro in ({"package_name": "shop", "original_file_path": "macros/x.sql"}, {**OURS, "original_file_path": "/x"}):
        assert not are_plain(manifest(macros=(macro,)))
    assert not are_plain(manifest(functions={"f": {}}))


def test_sources_declared_elsewhere_are_not() -> None:
    """The columns of a landing table may change while no file of the project does."""
    assert are_plain(manifest(sources={"pets": FILE}))
    assert not are_plain(manifest(sources={"pets": {**FILE, "original_file_path": "../_sources.yml"}}))
