"""publish: merges the built rows into the target tables, and adds a row to the history, in one transaction."""

from mock2pg.pipeline.steps.publish.publishing import run

__all__ = ["run"]
