"""One thing that is looked at, and what a command needs of the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PASSED, WARNING, FAILED = "passed", "warning", "failed"
ROLES = "`mock2pg init-roles` prints what a role needs"


@dataclass(frozen=True)
class Needs:
    """The needs of a command: how it uses the target.

    builds     in the scratch schemas
    reads      every table of the target schema, as a backup does
    publishes  into the target schema, with a row of the history
    """

    builds: bool = False
    reads: bool = False
    publishes: bool = False

    @property
    def writes(self) -> bool:
        return self.builds or self.publishes or self.reads


NEEDS: Mapping[str, Needs] = {
    "migrate": Needs(builds=True, reads=True, publishes=True),
    "rollback": Needs(reads=True, publishes=True),
    "backup": Needs(reads=True),
    "plan": Needs(builds=True),
    "load": Needs(builds=True),
}
