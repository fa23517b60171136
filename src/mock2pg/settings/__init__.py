"""The settings: one frozen record, and where its values come from."""

from mock2pg.project_folder import REPOSITORY
from mock2pg.settings.loading import Setting, explain, load
from mock2pg.settings.record import (
    LOCK_TIMEOUT,
    Settings,
    default,
    listed,
    meaning,
    notification_urls,
    share,
    unpacked,
    variable,
)

__all__ = [
    "LOCK_TIMEOUT",
    "REPOSITORY",
    "Setting",
    "Settings",
    "default",
    "explain",
    "listed",
    "load",
    "meaning",
    "notification_urls",
    "share",
    "unpacked",
    "variable",
]
