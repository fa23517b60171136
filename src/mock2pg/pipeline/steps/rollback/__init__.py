"""rollback: brings definitions, rows and sequences back to what a backup says, in one transaction."""

from mock2pg.pipeline.steps.rollback.rolling import run

__all__ = ["run"]
