"""The error tree: every failure has a name.

Mock2pgError                  exit  what the user does next
├── UsageError                  2   corrects the command, a setting or a path
├── SourceError                 3   corrects the source: it is not JSON, or not the declared arrays
├── ProjectError               21   corrects the project: a declaration, a contract or a suite that is named
├── CheckFailed                 4   corrects the rows that are listed
├── StagingFailed              23   allows more memory for the staged rows, or frees disk space
├── DatabaseError               5   looks at the server: cannot connect, lost, refused
│   ├── AlreadyRunning          6   waits for the other run
│   ├── SchemaRefused          18   looks at the schema that is named: it is another role's, or not as mock2pg made it
│   └── NotReady               19   does what each line says: the target cannot do what the command needs
├── BackupFailed                7   frees disk space, allows this user to write, or looks at what did not restore equal
├── LoadFailed                  8   looks at the model, contract, test or suite that is named
│   └── BuiltRowsLost          20   runs again: the server was restarted, and emptied the tables that were built
├── PreflightFailed            15   resolves the conflicts, or allows them by name
├── PublishFailed               9   looks at the constraint or lock that is named
├── NotAppliedYet              22   brings back the node that is named: it is committed there when it answers
├── VerifyFailed               10   looks at the keys that are listed
├── RollbackFailed             11   acts on the message: the target tables are as they were before
│   ├── BackupRefused          12   names another backup: this one is damaged or not there
│   └── TargetChanged            16   looks at what others wrote, and keeps it or gives it up
├── NothingPublished           13   migrates first
├── ScenarioFailed             14   reads which scenario of test-migration went wrong
├── EvidenceBroken             17   finds out who changed, added or removed what is listed
├── InternalError              70   reports it: a fault of mock2pg
└── Interrupted               130   runs again: Ctrl-C, SIGTERM or SIGHUP stopped it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from mock2pg.text import identity


@dataclass(frozen=True)
class ValidationError:
    """One row, or one whole entity, that breaks one rule. Holds no row values.

    entity    the array of the source document
    id        the row's id; None when the rule is about the whole entity or the row has none
    field     the JSON field, with its place inside the row: ``items[2].amount``
    message   what is wrong, in words
    severity  "critical" stops the run, "warning" does not
    rule      the expectation's type, or what the reader of the source found: ``strict_json``, ``declared_arrays``,
              ``readable_source``
    row       1-based position of the row in its array; None for a rule about the whole entity
    file      the file of the source, from where the source was named; None for a dict or an absent array
    line      1-based, and `column` too, in characters; None where there is no text to point at
    pointer   RFC 6901, from the top of the file (of its line in NDJSON): ``/orders/3/amount``
    mark      the row is an element of an array, ``[]``, or a member of a map, ``{}``; empty: the entity is the row
    """

    entity: str
    id: str | None
    field: str
    message: str
    severity: str = "critical"
    rule: str = ""
    row: int | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    pointer: str = ""
    mark: str = "[]"

    @property
    def place(self) -> str:
        """Return the location for an editor: `mocks/orders.json:41:17`; empty when there is no file."""
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)

    @property
    def subject(self) -> str:
        """Return the subject: `orders[6].amount (id 7)`; empty when the error concerns a file.

        The index is that of the row in its array, as in the JSON pointer, or in its map: `users{0}`.
        """
        if self.row is None or not self.entity:
            return self.entity
        row = f"{self.entity}{self.mark[:1]}{self.row - 1}{self.mark[1:]}" if self.mark else self.entity
        named = f" (id {identity(self.id)})" if self.id is not None else ""
        return f"{row}.{self.field}{named}" if self.field else f"{row}{named}"

    def __str__(self) -> str:
        return ": ".join(filter(None, [" ".join(filter(None, [self.place, self.subject])), self.message]))


class Mock2pgError(Exception):
    """The root. It answers three questions: `message` says what failed and where, `state` what the target tables hold,
    `hint` what to do next. None of them holds a row value.

    errors  what is wrong with the input, one by one, up to the cap per rule

    `state` is about the step that failed. A run that has undone something, or may have published, knows more and
    replaces it when it ends.
    """

    code: ClassVar[int] = 1
    state: str = "The target tables were not changed."
    hint: str = "Correct what is named, then run the command again."

    def __init__(
        self,
        message: str,
        errors: Sequence[ValidationError] = (),
        *,
        hint: str | None = None,
        state: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.errors = message, tuple(errors)
        self.found: Any = None  # what the step had found by then: a `step_results.Found`
        if hint is not None:
            self.hint = hint
        if state is not None:
            self.state = state

    def as_dict(self) -> dict[str, Any]:
        """The error as a run records it."""
        record = {
            "name": type(self).__name__,
            "code": self.code,
            "message": self.message,
            "state": self.state,
            "hint": self.hint,
        }
        return record | ({"errors": [asdict(error) for error in self.errors]} if self.errors else {})


class UsageError(Mock2pgError):
    code = 2


class SourceError(Mock2pgError):
    code = 3
    hint = "Correct the source, then run the command again."


class ProjectError(Mock2pgError):
    code = 21
    hint = "Correct the named file, then run the command again."


class CheckFailed(Mock2pgError):
    code = 4
    hint = "Correct the listed rows, then run the command again."


class StagingFailed(Mock2pgError):
    code = 23
    hint = "Set MIGRATION_STAGING_MEMORY higher, and free disk space for the folder runs/, then run the command again."


class DatabaseError(Mock2pgError):
    """reached  False where no session was opened: nothing can be asked or told there"""

    code = 5
    reached = True
    hint = "Run `mock2pg doctor`: it checks the server, and the host, user and database that DATABASE_URL names."


class AlreadyRunning(DatabaseError):
    code = 6
    hint = "Wait for the other run, or stop it: `mock2pg status` reports who holds the lock."


class SchemaRefused(DatabaseError):
    code = 18
    hint = "Look at the schema that is named, and at who may write to it."


class NotReady(DatabaseError):
    code = 19
    hint = "Do what each line says, then run `mock2pg doctor`: it lists every check with its verdict."


class BackupFailed(Mock2pgError):
    code = 7
    hint = (
        "Correct what is named, or free disk space and allow this user to write in the backup folder, then run the"
        " command again."
    )


class LoadFailed(Mock2pgError):
    code = 8


class BuiltRowsLost(LoadFailed):
    code = 20
    hint = "Run the command again when the server is up: the rows are loaded again."


class PreflightFailed(Mock2pgError):
    code = 15
    hint = "Do what each line says, or allow it by name, then run the command again."


class PublishFailed(Mock2pgError):
    code = 9
    state = "The transaction was rolled back: the target tables were not changed."


class NotAppliedYet(Mock2pgError):
    code = 22
    hint = (
        "Make the node answer: Citus then applies it, within a minute unless citus.recover_2pc_interval is longer."
        " `mock2pg status` reports when that is done."
    )


class VerifyFailed(Mock2pgError):
    code = 10
    state = "The verification only read the target tables."
    hint = "Look at the listed keys. To publish the input again, run `mock2pg migrate`."


class RollbackFailed(Mock2pgError):
    code = 11
    state = "The transaction was rolled back: the target tables are as they were before the rollback."


class BackupRefused(RollbackFailed):
    code = 12
    state = Mock2pgError.state
    hint = "Name another backup: `mock2pg backups` lists them."


class TargetChanged(RollbackFailed):
    code = 16
    state = Mock2pgError.state
    hint = (
        "Keep what others wrote, or add `--discard-changes` to roll back anyway: the present state is backed up first."
    )


class NothingPublished(Mock2pgError):
    code = 13
    hint = "Run `mock2pg migrate` first."


class ScenarioFailed(Mock2pgError):
    code = 14
    hint = "Look at the lines of the failed scenarios: each says what was expected and what happened."


class EvidenceBroken(Mock2pgError):
    code = 17
    hint = "Compare the listed files with a copy, and find out who changed, added or removed them."


NEVER_A_MIX = "The target tables hold what they held before, or all that this command was to write: never a mix."


class InternalError(Mock2pgError):
    code = 70
    state = NEVER_A_MIX
    hint = (
        "Run `mock2pg status`: it reports which run the target tables hold. Then run the command again with `--debug`,"
        " and report this fault of mock2pg."
    )


class Interrupted(Mock2pgError):
    code = 130
    state = NEVER_A_MIX
    hint = "Run the command again when you are ready. `mock2pg status` reports which run the target tables hold."


def from_dict(record: dict[str, Any]) -> Mock2pgError:
    """The error that a step in another process recorded with `as_dict`."""
    kinds = {kind.__name__: kind for kind in _kinds(Mock2pgError)}
    kind = kinds.get(record["name"], InternalError)
    errors = [ValidationError(**error) for error in record.get("errors", ())]
    return kind(record["message"], errors, hint=record["hint"], state=record.get("state"))


def _kinds(root: type[Mock2pgError]) -> list[type[Mock2pgError]]:
    return [root, *(kind for child in root.__subclasses__() for kind in _kinds(child))]
