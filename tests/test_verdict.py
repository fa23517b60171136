"""The result that a step wrote decides; nothing that comes after it changes the verdict."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mock2pg import evidence, pages, postgres, signals
from mock2pg.errors import DatabaseError, InternalError, Interrupted, VerifyFailed
from mock2pg.pipeline import leftovers, lifecycle, prune_backups, target, verdict
from mock2pg.pipeline import step as steps
from mock2pg.pipeline.record import Record
from mock2pg.report import log_messages, notebooks
from mock2pg.runs import Run
from mock2pg.step_results import RollbackPreview, StepResult
from tests.fix_stage import Stage


def test_ctrl_c_in_a_query_of_duckdb_is_an_interrupt() -> None:
    """DuckDB ends the query with an error of its own, which has no cause."""
    error = RuntimeError("Query interrupted")
    assert isinstance(verdict.classified(error, "stage"), Interrupted)
    assert verdict.reason(error) == "interrupted"
    assert isinstance(verdict.classified(RuntimeError("another"), "stage"), InternalError)


FULL = OSError(28, "No space left on device")


def raising(error: BaseException, when: Callable[..., bool] = lambda *_: True) -> Callable[[Any], Callable[..., Any]]:
    """Replace a function by one that raises when the arguments are such."""

    def replaced(function: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*arguments: Any, **named: Any) -> Any:
            if when(*arguments):
                raise error
            return function(*arguments, **named)

        return instead

    return replaced


def at_its_end(error: BaseException) -> Callable[[Any], Callable[..., Any]]:
    """Let a context manager raise when its block has ended."""

    def replaced(manager: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def instead(*arguments: Any, **named: Any) -> Iterator[Any]:
            with manager(*arguments, **named) as given:
                yield given
            raise error

        return instead

    return replaced


def ended(record: Record, *_: Any) -> bool:
    return record.status != "running"


def interrupt(function: Callable[..., Any]) -> Callable[..., Any]:
    """Send SIGTERM twice: the second one interrupts what is being written."""

    def instead(*arguments: Any, **named: Any) -> Any:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
        return function(*arguments, **named)

    return instead


# What breaks -> whose attribute, and how. `record` says whether the record can still be written.
PAPERWORK: dict[str, tuple[Any, str, Callable[[Any], Any]]] = {
    "the log messages": (log_messages, "of_step", raising(KeyError("deleted"))),
    "dropping the scratch schemas": (target, "scratch", at_its_end(RuntimeError())),
    "the lock": (postgres, "advisory_lock", at_its_end(DatabaseError("the connection is closed"))),
    "retention": (prune_backups, "after_success", raising(RuntimeError())),
    "removing what was staged": (leftovers, "clear", raising(PermissionError(13, "Permission denied"))),
    "the record": (Record, "write", raising(FULL, ended)),
    "runs/latest": (lifecycle, "point_latest", raising(FULL)),
    "the report": (steps, "run_in_process", raising(RuntimeError(), lambda name, *_: name == "report")),
    "a signal while the report is written": (lifecycle, "point_latest", interrupt),
    "the manifest": (evidence, "write_manifest", raising(FULL)),
    "a damaged manifest": (evidence, "write_manifest", raising(ValueError("not JSON"))),
    "the event": (evidence, "tell_of", raising(DatabaseError("cannot connect"))),
    "the list of runs": (pages, "write_run_list", raising(FULL)),
}
AFTER_THE_RECORD = ("the event", "the list of runs")
# Only where the command has that.
ONLY = {"dropping the scratch schemas": ["migrate"], "the lock": ["migrate", "rollback", "backup"],
        "retention": ["migrate", "rollback", "backup"]}  # fmt: skip
COMMANDS = {"migrate": ["new"], "rollback": ["old"], "verify": ["old"], "backup": ["old"]}
# All commands end in one place, which a few pieces show; the others break in migrations.
IN_EVERY = ("the log messages", "the lock", "retention", "the record", "the event")


@pytest.mark.parametrize("what", PAPERWORK)
def test_paperwork_changes_no_verdict(what: str, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece that breaks in a command, one that succeeds and one that fails, is a warning and no more."""
    place, name, replace = PAPERWORK[what]
    monkeypatch.setattr(place, name, replace(getattr(place, name)))
    signal_before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for command, rows in COMMANDS.items():
            if command not in ONLY.get(what, COMMANDS if what in IN_EVERY else ["migrate"]):
                continue
            result = stage.run(command)
            assert (result.success, result.error, stage.rows()) == (True, None, rows), command
            assert result.warnings, command
            if what != "the record":
                record = stage.record(result)
                assert (record["status"], record["error"]) == ("succeeded", None)
                assert record["warnings"] == list(result.warnings[: len(record["warnings"])])
                assert bool(record["warnings"]) is (what not in AFTER_THE_RECORD)
            if what != "the event":
                assert stage.event(result) == ("succeeded", None)
        stage.faults["verify"] = VerifyFailed("1 row differs")
        result = stage.run("migrate")
        assert (type(result.error), result.error and result.error.code) == (VerifyFailed, 10)
        assert stage.rows() == ["old"]
        if what != "the record":
            assert stage.record(result)["status"] == "rolled_back"
        if what != "the event":
            assert stage.event(result) == ("rolled_back", "VerifyFailed")
    finally:
        signal.signal(signal.SIGTERM, signal_before)


@pytest.mark.parametrize(
    "error",
    [
        AttributeError("terminate"),
        FULL,
        InternalError("verify.ipynb could not be run: the process that runs its cells ended (SIGKILL)"),
    ],
    ids=["the worker's end", "saving the notebook", "a worker that died"],
)
def test_what_fails_when_a_notebook_has_its_result_is_a_warning(error: BaseException, stage: Stage) -> None:
    """The end of a worker and the executed notebook come after the result of the step, in each step that has one."""
    stage.after = dict.fromkeys(["backup", "verify", "rollback"], error)
    for command, rows in COMMANDS.items():
        result = stage.run(command)
        assert (result.success, stage.rows(), stage.event(result)) == (True, rows, ("succeeded", None)), command
        last = result.warnings[-1]
        assert last.startswith(f"{'verify' if command == 'migrate' else command} passed, but its records"), last
    stage.faults["verify"] = VerifyFailed("1 row differs")
    result = stage.run("migrate")
    assert (type(result.error), stage.rows(), stage.record(result)["status"]) == (VerifyFailed, ["old"], "rolled_back")


@pytest.mark.parametrize("step", ["publish", "rollback"])
def test_a_step_that_committed_and_left_no_result_is_judged_by_the_history(
    step: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, or a process that is killed, right after the COMMIT: it is not reported as failed."""
    stage.run("migrate")
    save = Run.save
    monkeypatch.setattr(Run, "save", raising(FULL, lambda _, result: result.step == step and not
                        isinstance(result.found, RollbackPreview))(save))  # fmt: skip
    result = stage.run("rollback" if step == "rollback" else "migrate")
    assert (result.error, stage.rows()) == (None, ["old"] if step == "rollback" else ["new"])
    assert stage.event(result) == ("succeeded", None)
    if step == "rollback":
        stage.faults["verify"] = VerifyFailed("1 row differs")
        result = stage.run("migrate")
        assert (stage.record(result)["status"], stage.rows()) == ("rolled_back", ["old"])
        assert "rollback failed" not in result.message


@pytest.mark.parametrize("step", ["backup", "verify", "rollback"])
def test_a_notebook_that_ends_without_a_result_is_a_failure(
    step: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was found out, so nothing is proven; what `rollback --show` had left does not pass for a rollback."""
    stage.run("migrate")
    execute = notebooks.execute

    def dying(notebook: Path, *arguments: Any, **named: Any) -> None:
        if notebook.stem == step:
            raise InternalError(f"{step}.ipynb could not be run: the process that runs its cells ended (SIGKILL)")
        execute(notebook, *arguments, **named)

    monkeypatch.setattr(notebooks, "execute", dying)
    result = stage.run(step)
    assert (type(result.error), stage.rows()) == (InternalError, ["new"])
    result = stage.run("migrate")
    stays = step == "rollback"
    assert result.success is stays
    assert stage.rows() == (["old"] if step == "verify" else ["new"])


@pytest.mark.parametrize(
    ("asked", "status", "state", "hint"),
    [
        (
            True,
            "rollback_failed",
            "hold what this run published, which did not pass",
            "run `mock2pg rollback backup-1`",
        ),
        (False, "unknown", "what they held before, or what this run built: never a mix", "Run `mock2pg verify` when"),
    ],
)
def test_that_the_rows_stayed_is_said_only_when_it_is_so(
    asked: bool,
    status: str,
    state: str,
    hint: str,
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a rollback that failed the history is asked; when it cannot be, the outcome is unknown. The error says
    what the target tables hold, and the command that puts it right."""
    stage.faults = {"verify": VerifyFailed("1 row differs"), "rollback": InternalError("no")}
    committed = verdict.committed
    if not asked:
        lost = raising(DatabaseError("cannot connect"), lambda step, *_: step == "rollback")
        monkeypatch.setattr(verdict, "committed", lost(committed))
    result = stage.run("migrate")
    assert (type(result.error), stage.record(result)["status"]) == (VerifyFailed, status)
    assert state in result.error.state  # of the run: verifying itself only reads
    assert (hint in result.error.hint, result.error.state) == (True, result.target_state)
    assert stage.record(result)["error"] == result.error.as_dict()
    assert (f"The target holds what run {result.run_id} published" in stage.settings.log_file.read_text()) is asked
    assert stage.rows() == ["new"]


@pytest.mark.parametrize(("step", "error", "rows"), [
    ("backup", Interrupted, ["old"]), ("publish", Interrupted, ["old"]), ("verify", type(None), ["new"]),
])  # fmt: skip
def test_an_interrupt_after_a_result_stops_before_the_next_step(
    step: str, error: type, rows: list[str], stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step has passed, the run goes no further; after the last one there is nothing to stop, and it succeeded."""
    perform = steps.run_in_process

    def pressed(name: str, *arguments: Any) -> StepResult:
        result = perform(name, *arguments)
        if name == step:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(steps, "run_in_process", pressed)
    result = stage.run("migrate")
    assert (type(result.error), stage.rows()) == (error, rows)
    assert stage.event(result)[0] == {"backup": "failed", "publish": "rolled_back", "verify": "succeeded"}[step]


@pytest.mark.parametrize(
    ("owner", "name"),
    [(Record, "fail"), (verdict, "passed"), (Record, "end"), (Record, "write"), (lifecycle, "_errors")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_signals_keep_no_run_from_its_end(owner: Any, name: str, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C pressed again and again, wherever it arrives: what is not proven is undone, recorded and sealed."""
    stage.faults["verify"] = VerifyFailed("1 row differs")
    function = getattr(owner, name)

    def pressed(*arguments: Any, **named: Any) -> Any:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)
        return function(*arguments, **named)

    monkeypatch.setattr(owner, name, pressed)
    result = stage.run("migrate")
    interrupted = name in ("passed", "write")  # before anything else has failed
    status, kind = ("failed", Interrupted) if interrupted else ("rolled_back", VerifyFailed)
    assert (type(result.error), stage.rows(), stage.record(result)["status"]) == (kind, ["old"], status)
    if name != "write":  # the second one cuts the manifest short
        assert evidence.has_manifest(Run(result.run_id, stage.settings))


@pytest.mark.parametrize("lost", [False, True], ids=["", "whose result is lost"])
@pytest.mark.parametrize(
    ("error", "state"),
    [
        (VerifyFailed("1 row differs"), "undid nothing: they are as others left them."),
        (KeyboardInterrupt(), "undid nothing."),
    ],
    ids=["a difference", "Ctrl-C"],
)
def test_a_run_that_changed_nothing_is_not_rolled_back(
    error: BaseException, state: str, lost: bool, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writes of others since the backup stay; the error says that the run has changed nothing, and what to do."""
    stage.writes = False

    def failing(*_: Any, **__: Any) -> None:
        with postgres.connect(stage.settings.url, name="another") as connection:
            connection.execute("UPDATE public.pets SET id = 'others'")
        raise error

    monkeypatch.setattr(import_module("mock2pg.pipeline.steps.verify"), "run", failing)
    if lost:
        save = Run.save
        monkeypatch.setattr(Run, "save", raising(FULL, lambda _, result: result.step == "publish")(save))
    result = stage.run("migrate")
    assert (type(result.error), stage.rows()) == (type(verdict.classified(error, "verify")), ["others"])
    assert (result.status, stage.event(result)[0]) == ("failed", "failed")
    if not lost:
        assert result.error
        assert (result.target_state, result.error.hint) == (
            f"This run changed nothing in the target tables, and {state}", type(result.error).hint,
        )  # fmt: skip
    assert "rolling back" not in stage.settings.log_file.read_text()


def test_a_server_that_is_starting_is_asked_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It crashed while the proof was made: what became of the run is found out, and the run is undone."""
    verify, connect, refused = (
        import_module("mock2pg.pipeline.steps.verify"),
        postgres.connect,
        [psycopg.OperationalError()],
    )

    def starting(url: str, *, name: str, **options: Any) -> postgres.Connection:
        if refused and name.startswith("history"):
            raise DatabaseError("cannot connect: the database system is starting up") from refused.pop()
        return connect(url, name=name, **options)

    def crashed(*_: Any, **__: Any) -> StepResult:
        monkeypatch.setattr(postgres, "connect", starting)
        raise DatabaseError("cannot connect")

    monkeypatch.setattr(verify, "run", crashed)
    result = stage.run("migrate")
    assert (type(result.error), stage.rows(), refused) == (DatabaseError, ["old"], [])
    assert stage.event(result) == ("rolled_back", "DatabaseError")


def test_a_signal_rolls_back_what_is_not_proven_and_does_not_stop_that(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM while the proof is made: the run undoes itself, and another one meanwhile waits for the end of that."""
    verify, rollback = import_module("mock2pg.pipeline.steps.verify"), import_module("mock2pg.pipeline.steps.rollback")

    def signalled(function: Callable[..., Any], number: signal.Signals) -> Callable[..., Any]:
        def instead(*arguments: Any, **named: Any) -> Any:
            os.kill(os.getpid(), number)
            return function(*arguments, **named)

        return instead

    monkeypatch.setattr(verify, "run", signalled(verify.run, signal.SIGTERM))
    monkeypatch.setattr(rollback, "run", signalled(rollback.run, signal.SIGHUP))
    with signals.interrupting():
        result = stage.run("migrate")
    assert (type(result.error), result.error and result.error.code) == (Interrupted, 130)
    assert result.message == "Rolled back to backup-1: verify was interrupted by SIGTERM"
    assert (stage.rows(), stage.event(result)) == (["old"], ("rolled_back", "Interrupted"))
    assert "SIGHUP: the run is being rolled back to backup-1; wait for that" in stage.settings.log_file.read_text()
