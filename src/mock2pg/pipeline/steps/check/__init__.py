"""check: runs the declared rules and those of expectations; each row that breaks one comes back, without its values."""

from mock2pg.pipeline.steps.check.checking import run

__all__ = ["run"]
