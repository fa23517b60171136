"""load: lands the staged tables, lets dbt build the target tables beside the real ones, and judges them there."""

from mock2pg.pipeline.steps.load.loading import run

__all__ = ["run"]
