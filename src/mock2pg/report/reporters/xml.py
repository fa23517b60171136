"""JUnit XML: testsuites of testcases, whatever their texts hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from mock2pg.errors import Mock2pgError
from mock2pg.text import printable

# what XML 1.0 cannot hold, and what ends a line or moves a cursor though it is no ASCII line break
_UNSAFE = re.compile(r"[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Case:
    """One testcase.

    outcome  the element that says how it did not pass: failure, error or skipped; empty when it passed
    kind     the outcome's type: the error that the command ends with
    text     everything in full; the output of a testcase that passed
    """

    name: str
    outcome: str = ""
    kind: str = ""
    message: str = ""
    text: str = ""


def ended(name: str, error: Mock2pgError) -> Case:
    """Return the testcase of a command that did not complete: what went wrong, and what to do."""
    said = "\n".join(filter(None, [error.message, error.hint]))
    return Case(name, "error", type(error).__name__, error.message, said)


def document(name: str, suites: Mapping[str, Sequence[Case]]) -> str:
    """The testsuites by name, as text."""
    every = [case for cases in suites.values() for case in cases]
    root = Element("testsuites", {"name": name, **_counts(every, "failure", "error")})
    for suite, cases in suites.items():
        title, seen = clean(suite), Counter[str]()
        element = SubElement(root, "testsuite", {"name": title, **_counts(cases, "failure", "error", "skipped")})
        for case in cases:
            seen[case.name] += 1
            number = f" ({seen[case.name]})" if seen[case.name] > 1 else ""  # readers drop a name's second testcase
            testcase = SubElement(element, "testcase", classname=title, name=clean(case.name) + number)
            if case.outcome:
                about = {"type": case.kind, "message": clean(case.message)}
                SubElement(testcase, case.outcome, about).text = clean(case.text)
            elif case.text:
                SubElement(testcase, "system-out").text = clean(case.text)
    indent(root)
    # ASCII, with references for all else, is right in any encoding that standard output may have
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root).decode("ascii")


def clean(text: str) -> str:
    """The text with what a reader could not take escaped."""
    return _UNSAFE.sub(lambda match: printable(match[0]), text)


def _counts(cases: Sequence[Case], *outcomes: str) -> dict[str, str]:
    names = {"failure": "failures", "error": "errors", "skipped": "skipped"}
    number = Counter(case.outcome for case in cases)
    return {"tests": str(len(cases)), **{names[outcome]: str(number[outcome]) for outcome in outcomes}}
