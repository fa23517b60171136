"""The progress of a run's steps: counted where a step works, written into the run's folder, read by whoever shows it.

A step reports to runs/<run_id>/progress/<step>.json, in whichever process it runs. Nothing of this may fail a step, and
counting costs a step nothing: a thread of its own writes, a few times a second.
"""

from mock2pg.progress.counting import (
    FOLDER,
    Channel,
    Reporter,
    continued,
    detail,
    executed,
    expect,
    handed,
    join,
    merge,
    more,
    of_step,
    reporter,
    rows,
)
from mock2pg.progress.reading import StepProgress, read
from mock2pg.progress.statements import Statements

__all__ = [
    "FOLDER",
    "Channel",
    "Reporter",
    "Statements",
    "StepProgress",
    "continued",
    "detail",
    "executed",
    "expect",
    "handed",
    "join",
    "merge",
    "more",
    "of_step",
    "read",
    "reporter",
    "rows",
]
