"""All that is changed inside other packages: nothing but speed, each with its gain in CPU seconds on two shared cores.

The tests compare the results with those of the unchanged packages, and fail when a patch has become idle.
"""

from __future__ import annotations

import functools
import importlib
import threading
from types import SimpleNamespace
from typing import Any

known_to_be_valid = False  # the settings and nodes that dbt reads: those of a project that it has parsed just as it is


def remember_configurations() -> None:
    """Let an expectation keep its configuration until it is changed: -0.9 of 3.0 million calls for 110 rules."""
    from great_expectations.expectations.expectation import Expectation

    made = Expectation.configuration.fget
    last: tuple[Any, dict[str, Any], Any] = None, {}, None  # the questions about one expectation follow each other

    @functools.wraps(made)
    def configuration(self: Any) -> Any:
        nonlocal last
        of, fields, kept = last
        if of is not self or fields != self.__dict__:
            kept = made(self)
            last = self, dict(self.__dict__), kept
        answer = object.__new__(type(kept))  # those who ask change its fields, kwargs and meta
        answer.__dict__.update(kept.__dict__, _kwargs=dict(kept.kwargs), meta=kept.meta and dict(kept.meta))
        return answer

    Expectation.configuration = property(configuration)


def before_dbt_is_imported() -> None:
    from dbt import mp_context
    from mashumaro.core.meta.code.builder import CodeBuilder

    # -0.03, and a process that counts semaphores: dbt shares no lock with another process
    mp_context.get_mp_context = lambda: SimpleNamespace(Lock=threading.Lock, RLock=threading.RLock)
    # -0.35: mashumaro compiles four functions for each of 300 types, lazy as it is; now when one is first called
    mixin: Any = importlib.import_module("mashumaro.mixins.dict")

    def late(convert: Any, naming: Any, coder: str, wrapped: Any) -> Any:
        def convert_late(cls: type, **given: Any) -> None:
            def first(self: Any, *arguments: Any, **named: Any) -> Any:
                convert(cls, **given)
                return getattr(self, name)(*arguments, **named)

            name = naming((), given.get("format_name", "dict"), given.get(coder))
            setattr(cls, name, wrapped(first))
            setattr(cls, name.public, wrapped(first))

        return convert_late

    pack, unpack = mixin.compile_mixin_packer, mixin.compile_mixin_unpacker
    mixin.compile_mixin_packer = late(pack, CodeBuilder.get_pack_method_name, "encoder", lambda method: method)
    mixin.compile_mixin_unpacker = late(unpack, CodeBuilder.get_unpack_method_name, "decoder", classmethod)


def after_dbt_is_imported(kept_parts: Any) -> None:
    from dbt.clients import jinja_static
    from dbt.parser.macros import MacroParser
    from dbt_common.behavior_flags import BehaviorFlagRendered
    from dbt_common.dataclass_schema import dbtClassMixin
    from dbt_common.events.base_types import BaseEvent
    from dbt_common.events.event_manager import EventManager

    # -0.07: it looks through the stack and the files of all callers for the name of the module that asks
    BehaviorFlagRendered._default_source = staticmethod(lambda: "dbt.adapters")  # type: ignore[method-assign]
    # -0.12: 400 events are written as protobuf, twice each, though no log is kept
    event: Any = BaseEvent
    write, fire = event.__init__, EventManager.fire_event

    def message(self: Any) -> Any:
        arguments, named = vars(self).pop("given")
        write(self, *arguments, **named)
        return vars(self)["pb_msg"]

    def heard(self: Any, *given: Any, **named: Any) -> None:
        forced = given[3:] or named.get("force_warn_or_error_handling")
        if self.loggers or self.require_warn_or_error_handling or forced:
            fire(self, *given, **named)

    event.__init__ = lambda self, *arguments, **named: self.__dict__.update(given=(arguments, named))
    event.pb_msg = functools.cached_property(message)
    event.pb_msg.__set_name__(event, "pb_msg")
    EventManager.fire_event = heard  # type: ignore[method-assign]
    # -0.3: from each type of settings it makes a schema, to hold them to it
    mixin: Any = dbtClassMixin
    validate = mixin.validate.__func__
    mixin.validate = classmethod(lambda cls, data: None if known_to_be_valid else validate(cls, data))
    # -0.6: and these are the same for each project
    mixin.json_schema = classmethod(kept_parts.schema_of(mixin.json_schema.__func__))
    # -0.7: so are its own macros; the calls in a macro are looked for where its tests keep them before it is read again
    calls, jinja_static.test_caching_enabled = jinja_static._TESTING_MACRO_CACHE, lambda: True
    MacroParser.parse_unparsed_macros = kept_parts.macros_of(MacroParser.parse_unparsed_macros, calls)
