"""The settings: one frozen record, and where its values come from."""

from mock2pg.project_folder import REPOSITORY
from mock2pg.settings.loading import Setting, explain, load
from mock2pg.settings.record import LOCK_TIMEOUT, Settings, listed, notification_urls, share, unpacked, variable

__all__ = [
    "LOCK_TIMEOUT",
    "REPOSITORY",
    "Setting",
    "Settings",
    "explain",
    "listed",
    "load",
    "notification_urls",
    "share",
    "unpacked",
    "variable",
]
