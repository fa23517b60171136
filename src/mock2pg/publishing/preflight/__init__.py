"""What prevents publishing, all of it at once, before anything is written to the target tables."""

from mock2pg.publishing.preflight.findings import Finding, Preflight, before_build, look
from mock2pg.publishing.preflight.refusal import refuse

__all__ = ["Finding", "Preflight", "before_build", "look", "refuse"]
