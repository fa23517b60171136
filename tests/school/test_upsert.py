"""upsert, of the sample."""

from __future__ import annotations

from mock2pg import MigrationService
from mock2pg.errors import CheckFailed
from mock2pg.settings import Settings
from tests.school.fix_school import Document


def test_what_is_there_is_checked_all_the_same(settings: Settings, document: Document) -> None:
    """A row that is wrong by itself is refused; a rule that needs rows of others is said not to be judged."""
    upsert = MigrationService(settings.model_copy(update={"mode": "upsert"}))
    document["tests"][0]["totalPoints"] = 0
    result = upsert.check({"tests": document["tests"]})
    assert isinstance(result.error, CheckFailed)
    assert "could not be judged" in result.error.message
    assert [error.field for error in result.errors if error.severity == "critical"] == ["totalPoints"]
    assert upsert.check({"tests": []}).success
