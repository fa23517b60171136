"""The scenarios of test-migration, of the sample."""

from __future__ import annotations

from mock2pg import build
from mock2pg.pipeline import faults
from mock2pg.settings import REPOSITORY
from tests.school.fix_school import sample


def test_the_sample_has_every_scenario() -> None:
    """Each fault is one of its document, and leaves the rest as it was."""
    document = sample()
    bad = faults.bad_ones(build.sources(REPOSITORY / "dbt_project"), document)
    assert len(bad) == 10
    for each in bad:
        spoiled = each.document()
        changed = [name for name in spoiled.keys() | sample().keys() if spoiled.get(name) != sample().get(name)]
        assert len(changed) == (len(sample()) if "everything" in each.name else 1), each.name
    assert document == sample()
