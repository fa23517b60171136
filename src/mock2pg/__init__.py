"""Mock JSON in, a PostgreSQL database you can prove out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mock2pg.errors import Mock2pgError, ValidationError
from mock2pg.results import MigrationResult, Scenario, TestReport

if TYPE_CHECKING:
    from mock2pg.service import MigrationService

__version__ = "0.1.0"

__all__ = ["MigrationResult", "MigrationService", "Mock2pgError", "Scenario", "TestReport", "ValidationError"]


def __getattr__(name: str) -> Any:  # the service costs a second to import, and the command's --help needs none of it
    if name == "MigrationService":
        from mock2pg.service import MigrationService

        return MigrationService
    raise AttributeError(name)
