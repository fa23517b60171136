"""The settings: one frozen record, and where its values come from."""

from mock2pg.project_folder import REPOSITORY
from mock2pg.settings.describing import default, meaning
from mock2pg.settings.loading import Setting, explain, load
from mock2pg.settings.record import LOCK_TIMEOUT, STAGING_MEMORY, Settings, variable
from mock2pg.settings.values import listed, notification_urls, share, size, unpacked

__all__ = [
    "LOCK_TIMEOUT",
    "REPOSITORY",
    "STAGING_MEMORY",
    "Setting",
    "Settings",
    "default",
    "explain",
    "listed",
    "load",
    "meaning",
    "notification_urls",
    "share",
    "size",
    "unpacked",
    "variable",
]
