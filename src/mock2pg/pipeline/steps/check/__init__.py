"""check: runs the staged suites; every row that breaks a rule comes back in one run, without its values."""

from mock2pg.pipeline.steps.check.checking import run

__all__ = ["run"]
