"""Great Expectations' import in half of its time.

Its start-up loads scipy.stats, altair and a few more for rare expectations; 40 data sources and 20 metrics that nothing
here uses; and 60 types of expectations. Stand-ins take their places while it is imported. Afterwards each name leads to
what it stands for: the first look at it imports the real module.
"""

from __future__ import annotations

import gc
import importlib
import logging
import re
import sys
import threading
import types
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any

from mock2pg import patches

_HEAVY = ("scipy", "scipy.stats", "altair", "jsonschema", "mistune", "psycopg2")
_TYPES = "great_expectations.expectations.core"
_METRICS = [f"great_expectations.metrics.{domain}" for domain in ("batch", "column", "column_pair", "multi_column")]
_POSTPONED = re.compile(
    r"great_expectations\.datasource\.fluent\.(?!sql_datasource|invalid_datasource)(\w+_datasource|fabric)"
    rf"|{re.escape(_TYPES)}\.expect_\w+"
    # not the bases, nor what a metric of a rule is made of
    r"|great_expectations\.metrics\.(?P<domain>batch|column|column_pair|multi_column)\."
    r"(?!(?P=domain)$|descriptive_stats$)\w+"
)
# the packages that import names from them
_PACKAGES = (
    *("great_expectations.datasource.fluent", "great_expectations.expectations", _TYPES),
    *("great_expectations.metrics", *_METRICS),
)
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


class _Postponed(types.ModuleType):
    """A module of Great Expectations, and what is imported from it, for as long as the import lasts."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return self


class _Postponer(MetaPathFinder, Loader):
    """Finds modules that are imported only when they are used."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if _POSTPONED.fullmatch(name) else None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        return _Postponed(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Do nothing: there is nothing in it."""


def import_great_expectations() -> None:
    """Import Great Expectations, once; safe to call from several threads."""
    with _lock:
        _import()


def import_expectation_type(kind: str) -> None:
    """Import the module that registers a type of expectations; nothing for a type that Great Expectations has not."""
    name = f"{_TYPES}.{kind}"
    if name in _import():
        importlib.import_module(name)


@cache
def _import() -> frozenset[str]:
    """Import Great Expectations and return the names of the modules that were postponed."""
    with _postponing() as postponed, _stand_ins(), _collector_off(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its own, about modules that it uses
        importlib.import_module("great_expectations")
        patches.remember_configurations()
        logging.captureWarnings(False)  # it sends every warning of the process to its log
    logger = logging.getLogger("great_expectations")  # which quotes queries and values
    logger.setLevel(logging.CRITICAL)
    logger.propagate = False
    return frozenset(postponed)


@contextmanager
def _postponing() -> Iterator[set[str]]:
    finder, names = _Postponer(), set[str]()
    sys.meta_path.insert(0, finder)
    try:
        yield names
    finally:
        sys.meta_path.remove(finder)
        names |= {name for name, module in sys.modules.items() if isinstance(module, _Postponed)}
        for name in names:
            del sys.modules[name]
        for package in filter(None, map(sys.modules.get, _PACKAGES)):
            _lead_on(package)


def _lead_on(package: types.ModuleType) -> None:
    """Put in place of the package's stand-ins a `__getattr__` that imports what they stand for."""
    origins = {name: value.__name__ for name, value in vars(package).items() if isinstance(value, _Postponed)}
    for name in origins:
        delattr(package, name)

    def look(name: str) -> object:
        if name not in origins:
            raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}")
        module = importlib.import_module(origins[name])  # which also binds a submodule's own name
        return vars(package).setdefault(name, getattr(module, name, module))

    package.__getattr__ = look  # type: ignore[method-assign]


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
