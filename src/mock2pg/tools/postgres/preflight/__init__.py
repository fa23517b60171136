"""What stands in the way of publishing, all of it at once, before anything is written to live."""

from mock2pg.tools.postgres.preflight.findings import Finding, Preflight, look

__all__ = ["Finding", "Preflight", "look"]
