"""Notifications of a run through apprise: what happened, never why.

They change no verdict, and a run does not wait for them until it has ended.
"""

from mock2pg.notifications.messages import Message, Subject, of_end, of_loss, of_start, of_test
from mock2pg.notifications.notifier import Notifier, examine

__all__ = ["Message", "Notifier", "Subject", "examine", "of_end", "of_loss", "of_start", "of_test"]
