"""The first look: whether this role, on this database, can do what a command needs; all that it cannot is listed.

Only reads, but for one transaction that is rolled back: where event triggers are enabled, they are tried.
"""

from mock2pg.readiness.check import FAILED, PASSED, WARNING
from mock2pg.readiness.cluster import CITUS
from mock2pg.readiness.look import look

__all__ = ["CITUS", "FAILED", "PASSED", "WARNING", "look"]
