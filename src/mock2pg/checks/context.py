"""A Great Expectations context that writes no file: everything is in memory."""

from __future__ import annotations

from great_expectations.data_context import EphemeralDataContext
from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults

from mock2pg.checks.records import DocumentedRule


class Context(EphemeralDataContext):  # type: ignore[misc]
    """A context without files, whose stores are in memory.

    documented  the rules of each table as Data Docs show them
    """

    def __init__(self) -> None:
        self.documented: dict[str, list[DocumentedRule]] = {}
        super().__init__(
            DataContextConfig(
                store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
                progress_bars={"globally": False},
            )
        )

    def _save_project_config(self) -> None:
        """Do nothing: all of it would be written as YAML twice for each table, into memory, and read by nobody."""
