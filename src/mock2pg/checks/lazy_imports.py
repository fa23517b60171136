"""Great Expectations' import in little more than half of its time.

Its start-up loads scipy.stats and altair for a few statistical expectations. Stand-ins take their places in
`sys.modules` while it is imported, and load the real module when something reads an attribute of them.
"""

from __future__ import annotations

import gc
import importlib
import logging
import sys
import threading
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.machinery import ModuleSpec

_HEAVY = ("scipy", "scipy.stats", "altair")
_lock = threading.RLock()


class _StandIn(types.ModuleType):
    """A module that is imported for good by the first look at one of its names."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        self.__spec__ = ModuleSpec(name, None, is_package=True)

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # the import machinery's own questions
            raise AttributeError(name)
        with _lock:
            _remove_stand_ins()
            return getattr(importlib.import_module(self.__name__), name)


def import_great_expectations() -> None:
    """Import Great Expectations, once; safe to call from several threads."""
    with _lock:
        _import()


@cache
def _import() -> None:
    with _stand_ins(), _collector_off(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its own, about modules that it uses
        importlib.import_module("great_expectations")
        logging.captureWarnings(False)  # it sends every warning of the process to its log
    logger = logging.getLogger("great_expectations")  # which quotes queries and values
    logger.setLevel(logging.CRITICAL)
    logger.propagate = False


@contextmanager
def _stand_ins() -> Iterator[None]:
    for name in _HEAVY:
        if name not in sys.modules:
            sys.modules[name] = module = _StandIn(name)
            parent, _, child = name.rpartition(".")
            if isinstance(sys.modules.get(parent), _StandIn):
                setattr(sys.modules[parent], child, module)
    try:
        yield
    finally:
        _remove_stand_ins()


def _remove_stand_ins() -> None:
    for name in _HEAVY:
        if isinstance(sys.modules.get(name), _StandIn):
            del sys.modules[name]


@contextmanager
def _collector_off() -> Iterator[None]:
    """The import makes thousands of types that stay: looking for garbage among them is a quarter of its time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
