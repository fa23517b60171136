"""All that is changed inside other packages: nothing but speed, each with its gain.

The tests compare the results with those of the unchanged packages, and fail when a patch has become idle.
"""

from __future__ import annotations

import functools
from typing import Any


def remember_configurations() -> None:
    """Let an expectation of Great Expectations keep its configuration until it is changed.

    A validation asks for it forty times for each rule, and each time it was made anew: 0.9 of 3.0 million function
    calls of the sample's 110 rules.
    """
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
