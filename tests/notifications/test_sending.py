"""Services receive messages; one that does not is named by its scheme and number alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mock2pg import environment
from mock2pg.errors import UsageError
from mock2pg.notifications import Message, Notifier, examine, notifier
from mock2pg.settings import Settings, load
from tests.fix_receivers import Receiver, receiving_mail, receiving_posts

FIRST, SECOND = Message("mock2pg: first", "one\ntwo", "info"), Message("mock2pg: second", "three", "failure")


@pytest.fixture
def mail() -> Iterator[Receiver]:
    with receiving_mail() as received:
        yield received


def notifying(folder: Path, *urls: str, separator: str = " ") -> Settings:
    return load(project=folder, notify_urls=separator.join(urls))


def test_every_service_is_reached_or_named(tmp_path: Path, webhook: Receiver, mail: Receiver) -> None:
    """Webhook and mail receive all messages in order. A server that refuses, one without TLS, a closed port and one
    that is slow are reported, as is a service that apprise does not have; no URL is.
    """
    with receiving_posts() as refusing, receiving_posts() as slow:
        refusing.status = 500
        slow.hold.clear()
        closed = "json://127.0.0.1:1/port-secret"
        without_tls = webhook.url.replace("json:", "jsons:")
        hangs = f"{slow.url}?rto=0.2"
        urls = [webhook.url, mail.url, refusing.url, without_tls, closed, hangs, "nonsense://name-secret"]
        sender = Notifier(notifying(tmp_path, *urls, separator=", "))
        sender.send(FIRST)
        sender.send(SECOND)
        with pytest.raises(UsageError, match=r"MIGRATION_NOTIFY_URLS \(apprise does not understand URL 7\)") as refused:
            sender.refuse_invalid()
        faults = sender.finish()
    assert "secret" not in f"{faults}{refused.value}{refused.value.hint}"
    assert faults == [
        "nonsense (URL 7) is not valid",
        "json (URL 3) did not accept it",
        "jsons (URL 4) did not accept it",
        "json (URL 5) did not accept it",
        "json (URL 6) did not accept it",
    ]
    assert webhook.messages == [("info", FIRST.title, FIRST.body), ("failure", SECOND.title, SECOND.body)]
    assert mail.titles == [FIRST.title, SECOND.title]
    assert mail.messages[0][2].split() == ["one", "two"]
    assert b"github" not in b"".join(webhook.raw + mail.raw).lower()  # no picture is fetched from elsewhere


def test_waiting_has_an_end(tmp_path: Path, webhook: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that does not finish in time is ended, and every service is reported."""
    monkeypatch.setattr(notifier, "PATIENCE", -1.0)
    monkeypatch.setattr(notifier, "_QUIET", 0.0)
    sender = Notifier(notifying(tmp_path, webhook.url))
    sender.refuse_invalid()  # nobody knows yet, and nothing is refused
    assert sender.finish() == ["json (URL 1) did not accept it"]
    assert sender._process
    assert sender._process.returncode == -signal.SIGKILL


def test_a_process_that_cannot_be_started_is_reported(
    tmp_path: Path, webhook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run goes on without it."""
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    sender = Notifier(notifying(tmp_path, webhook.url))
    sender.send(FIRST)
    sender.refuse_invalid()
    assert sender.finish() == ["json (URL 1) did not accept it"]


KILLED = """
import os, sys
from mock2pg.notifications import Message, Notifier
from mock2pg.settings import load
sender = Notifier(load(project=sys.argv[1]))
sender.send_if_killed(Message("mock2pg: killed", "text", "failure"))
os.kill(os.getpid(), 9)
"""


def test_a_run_that_is_killed_is_reported(tmp_path: Path, webhook: Receiver) -> None:
    """The sending process outlives a run's, and sends what the run asked for in that case."""
    given = {**os.environ, "MIGRATION_NOTIFY_URLS": webhook.url}
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path], env=given, check=False)
    assert done.returncode == -signal.SIGKILL
    assert webhook.arrived.acquire(timeout=60)
    assert webhook.titles == ["mock2pg: killed"]


def test_a_proxy_counts_for_notifications_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notifications use the proxy of the environment; nothing else of a run reads it."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:3128")
    monkeypatch.setenv("no_proxy", "localhost")
    assert "HTTPS_PROXY" not in environment.inherited()
    for inside in (False, True):
        if inside:
            with environment.ours():
                found = environment.inherited("notifications")
        else:
            found = environment.inherited("notifications")
        assert (found["HTTPS_PROXY"], found["no_proxy"]) == ("http://127.0.0.1:3128", "localhost")


@pytest.mark.parametrize(
    ("urls", "refused"),
    [
        ("slack://a/b/c", None),
        ("  slack://a/b/c,mailto://u:p@h.test?to=a@b.test,c@d.test ; json://h ", None),
        ("slack.com/secret", "1"),
        ("slack://a/b/c\tsecret, json://h secret", None),
        ("secret slack://a/b/c", "1"),
        ("slack:// json://h/secret", "1"),
    ],
)
def test_a_setting_that_names_no_service_is_refused_by_its_number(
    urls: str, refused: str | None, tmp_path: Path
) -> None:
    """URLs are separated by spaces or commas before the next URL; an invalid one is a credential all the same."""
    if refused is None:
        assert load(project=tmp_path, notify_urls=urls).notify_urls
        return
    with pytest.raises(UsageError) as error:
        load(project=tmp_path, notify_urls=urls)
    assert f"MIGRATION_NOTIFY_URLS (URL {refused} does not begin with a service, such as slack://)" in str(error.value)
    assert "secret" not in str(error.value)


def test_doctor_looks_at_the_services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test message is sent only when it is asked for; without services there is nothing to look at."""
    assert examine(load(project=tmp_path), None) == []
    assert [check.verdict for check in examine(load(project=tmp_path), FIRST)] == ["failed"]
    sent: list[Message] = []
    faults: list[str] = []
    monkeypatch.setattr(Notifier, "__init__", lambda *_: None)
    monkeypatch.setattr(Notifier, "send", lambda _, message: sent.append(message))
    monkeypatch.setattr(Notifier, "finish", lambda _: faults)
    settings = notifying(tmp_path, "Slack://secret", "json://secret")
    (check,) = examine(settings, None)
    assert (check.verdict, check.found, sent) == ("passed", "valid, not tried: slack, json", [])
    (check,) = examine(settings, FIRST)
    assert (check.verdict, check.found, sent) == ("passed", "sent to slack, json", [FIRST])
    faults += ["slack (URL 1) is not valid", "json (URL 2) did not accept it"]
    (check,) = examine(settings, FIRST)
    assert (check.verdict, check.found) == ("failed", "; ".join(faults))
