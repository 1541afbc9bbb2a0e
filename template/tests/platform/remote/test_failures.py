"""Errors of an interface, on their way to another process that may run another release."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, UTC
from decimal import Decimal
from uuid import uuid4

import pytest

from app.platform.errors import Conflict, DomainError, NotFound, Stale
from app.platform.remote.failures import Failures
from app.platform.rest import UnknownCursor
from app.platform.wiring.modules import ModuleFolder
from app.platform.wiring.moved_toml import Move

from . import ledger
from .conftest import folder_of
from .ledger import Declined, EntryNotFound

FOLDER: ModuleFolder = folder_of(lambda: None)


@dataclass
class Overdrawn(Conflict):
    """Has no message of its own, and no constructor that takes one."""

    owner: str
    left: int

    def __str__(self) -> str:
        return f"{self.owner} lacks {self.left}"


class CardExpired(Declined):
    """A newer release knows it."""


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> Failures:
    monkeypatch.setattr(Overdrawn, "__module__", ledger.__name__)
    monkeypatch.setattr(ledger, "Overdrawn", Overdrawn, raising=False)
    return Failures([FOLDER])


def crossed(error: DomainError, *there_and_here: Failures) -> DomainError | None:
    there, here = there_and_here
    return here.read(json.loads(json.dumps(there.write(error))))


@pytest.mark.parametrize(
    "error",
    [
        EntryNotFound("There is no entry."),
        EntryNotFound(),
        NotFound("There is no such thing."),
        Stale("It has changed."),
        UnknownCursor("There is no such page."),
        DomainError("No.", 7, None),
        Declined("ada", 7),
        Overdrawn("ada", 7),
        DomainError(uuid4(), Decimal("1.20"), [date(2026, 1, 1)], {"at": datetime.now(UTC)}),
    ],
)
def test_an_error_arrives_as_it_was_raised(failures: Failures, error: DomainError) -> None:
    found = crossed(error, failures, failures)
    assert type(found) is type(error)
    assert (str(found), found.args, vars(found)) == (str(error), error.args, vars(error))


def test_what_is_not_plain_stays_there(failures: Failures) -> None:
    error = Conflict("No.", object())
    error.since, error.count = {"=uuid": "1"}, 7  # type: ignore[attr-defined]
    found = crossed(error, failures, failures)
    assert found is not None
    assert (found.args, vars(found)) == ((str(error),), {"count": 7})


def test_a_kind_that_is_not_known_here_arrives_as_what_it_is_a_kind_of(
    failures: Failures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CardExpired, "__module__", ledger.__name__)
    monkeypatch.setattr(ledger, "CardExpired", CardExpired, raising=False)
    newer = Failures([FOLDER])
    assert newer.write(CardExpired("ada", 7))["errors"] == [
        "ledger.CardExpired",
        "ledger.Declined",
        "platform.Conflict",
        "platform.DomainError",
    ]
    assert type(crossed(CardExpired("ada", 7), newer, failures)) is Declined


def test_an_interface_may_keep_its_errors_in_a_file_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(CardExpired, "__module__", f"{ledger.__name__}.errors")
    monkeypatch.setattr(ledger, "CardExpired", CardExpired, raising=False)
    failures = Failures([FOLDER])
    assert type(crossed(CardExpired("ada", 7), failures, failures)) is CardExpired


def test_one_that_no_interface_declares_arrives_as_what_it_is_a_kind_of(failures: Failures) -> None:
    class Private(Conflict):
        """Of `service.py`."""

    assert type(crossed(Private("No."), failures, failures)) is Conflict


def test_while_a_module_is_renamed_both_names_are_understood() -> None:
    before = Failures([replace(FOLDER, name="book")])
    rename = Move("rename", "book", date(2026, 1, 1), "ledger")
    after = Failures([replace(FOLDER, renamed=rename)])
    error = Declined("ada", 7)
    assert type(crossed(error, before, after)) is type(crossed(error, after, before)) is Declined


@pytest.mark.parametrize(
    "told", [{}, {"errors": "x"}, {"errors": []}, {"errors": [7, None]}, {"errors": ["os.system"]}]
)
def test_what_names_no_error_of_an_interface_is_none(
    failures: Failures, told: dict[str, object]
) -> None:
    assert failures.read(told) is None


def test_odd_members_do_no_harm(failures: Failures) -> None:
    odd: Sequence[object] = ("x", 7, None, [1])
    for each in odd:
        told = {"errors": ["ledger.Declined"], "detail": each, "arguments": "x", "attributes": each}
        assert type(failures.read(told)) is Declined
