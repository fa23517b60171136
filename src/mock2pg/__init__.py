"""Mock JSON in, a PostgreSQL database you can prove out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mock2pg.errors import Mock2pgError, ValidationError
    from mock2pg.results import MigrationResult, Scenario, TestReport
    from mock2pg.service import MigrationService

__version__ = "0.1.0"

__all__ = ["MigrationResult", "MigrationService", "Mock2pgError", "Scenario", "TestReport", "ValidationError"]

_HOME = {
    **dict.fromkeys(("Mock2pgError", "ValidationError"), "errors"),
    **dict.fromkeys(("MigrationResult", "Scenario", "TestReport"), "results"),
    "MigrationService": "service",
}


def __getattr__(name: str) -> Any:  # when it is asked for: each process of a run imports this package, and few need it
    if name in _HOME:
        return getattr(import_module(f"mock2pg.{_HOME[name]}"), name)
    raise AttributeError(f"module 'mock2pg' has no attribute {name!r}")
