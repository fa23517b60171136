"""The files and folders of a project, from the settings that name it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mock2pg import resources


class Folders:
    """The paths that follow from the settings `project`, `source` and `postgres`."""

    if TYPE_CHECKING:  # the record declares them
        project: Path
        source: Path
        postgres: Path

    @property
    def backups_dir(self) -> Path:
        return self.project / "backups"

    @property
    def runs_dir(self) -> Path:
        return self.project / "runs"

    @property
    def dbt_dir(self) -> Path:
        return self.project / "dbt_project"

    @property
    def expectations_dir(self) -> Path:
        return self.project / "expectations"

    @property
    def notebooks_dir(self) -> Path:
        """The project's own notebooks, or else those of the package."""
        own = self.project / "notebooks"
        return own if own.is_dir() else resources.NOTEBOOKS

    @property
    def cache_dir(self) -> Path:
        return self.project / ".cache"

    @property
    def secret_file(self) -> Path:
        """The file of the secret that what a run leaves of values is hashed with."""
        return self.cache_dir / "hashes.secret"

    @property
    def log_file(self) -> Path:
        return self.project / "logs" / "migration.log"

    @property
    def source_path(self) -> Path:
        return self.project / self.source

    @property
    def postgres_dir(self) -> Path:
        return self.project / self.postgres
