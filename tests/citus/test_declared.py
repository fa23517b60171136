"""The target decides how its tables are distributed, and a declaration that differs is refused with what to do."""

from __future__ import annotations

import pytest

from mock2pg import postgres
from mock2pg.publishing.preflight.distribution import effective
from tests.fix_merge import table

THERE = """
    CREATE TABLE public.t (id text, tenant text, PRIMARY KEY (id, tenant));
"""
BY_TENANT, REFERENCE = (
    "SELECT create_distributed_table('public.t', 'tenant')",
    "SELECT create_reference_table('public.t')",
)
BY_HAND = "Correct config.meta.distribution, or change the table by hand: SELECT "

# the target, what the model declares, what holds, and what is said of it
CASES = {
    "an absent table gets what is declared": ("", "tenant", "tenant", ""),
    "an absent table that declares nothing is local": ("", "", "", ""),
    "a local table stays local": (THERE, "", "", ""),
    "as declared": (THERE + BY_TENANT, "tenant", "tenant", ""),
    "a reference table as declared": (THERE + REFERENCE, "reference", "reference", ""),
    "nothing is declared": (
        THERE + BY_TENANT, "", "tenant", "t is distributed by tenant, which its model does not declare"),
    "local, and declared by a column": (
        THERE, "tenant", "",
        "the table is local. " + BY_HAND + """create_distributed_table('"public"."t"', 'tenant')"""),
    "local, and declared a reference table": (
        THERE, "reference", "", "the table is local. " + BY_HAND + """create_reference_table('"public"."t"')"""),
    "by another column": (
        THERE + BY_TENANT, "id", "tenant",
        "t: its model declares distributed by id, and the table is distributed by tenant. " + BY_HAND
        + """alter_distributed_table('"public"."t"', distribution_column := 'id')"""),
    "a reference table, and declared by a column": (
        THERE + REFERENCE, "tenant", "reference", "the table is a reference table. " + BY_HAND
        + """undistribute_table('"public"."t"'); SELECT create_distributed_table('"public"."t"', 'tenant')"""),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_table_that_exists_keeps_its_distribution(case: str, doubled: str) -> None:
    """A new one gets the declared one; a declaration that differs is a conflict with the statement to run by hand."""
    there, declared, holds, said = CASES[case]
    with postgres.connect(doubled, name="test") as connection:
        connection.execute(there or "SELECT 1")  # type: ignore[arg-type]
        found = effective(
            connection, "public", [table("t", "id text!", "tenant text!", key=("id",), distribution=declared)]
        )
    assert [each.distribution for each in found.tables] == [holds]
    told = [*map(str, found.findings), *found.notes]
    assert len(told) == bool(said)
    assert said in "".join(told)
    assert bool(found.findings) == (declared not in ("", holds))


def test_a_declaration_has_no_effect_without_citus(database: str) -> None:
    """The same project migrates into PostgreSQL alone, and the run says that its tables are local."""
    declared = [table("t", "id text!", key=("id",), distribution="reference"), table("u", "id text!", key=("id",))]
    with postgres.connect(database, name="test") as connection:
        found = effective(connection, "public", declared)
    assert [each.distribution for each in found.tables] == ["", ""]
    assert found.findings == ()
    assert found.notes == ("1 model declares a distribution, and the target has no Citus: local tables",)
