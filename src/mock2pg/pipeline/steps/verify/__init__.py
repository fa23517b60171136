"""verify: proves the target tables against the run that published them, row by row; reads only."""

from mock2pg.pipeline.steps.verify.verifying import run

__all__ = ["run"]
