"""Preflight: list everything that prevents publishing, before anything is written to the target tables."""

from mock2pg.publishing.preflight.disk_space import Backups
from mock2pg.publishing.preflight.findings import Preflight, before_build, look, look_at_held
from mock2pg.publishing.preflight.refusal import refuse

__all__ = ["Backups", "Preflight", "before_build", "look", "look_at_held", "refuse"]
