"""The imports of `fix_crash`'s forkserver: each process that it forks would spend seconds on them."""

from importlib import import_module

from mock2pg import checks
from mock2pg.pipeline.step import MIGRATE, ROLLBACK

checks.warm()
for step in (*MIGRATE, ROLLBACK):
    import_module(f"mock2pg.pipeline.steps.{step.name}")
