"""Errors that a module's interface declares. `http` turns them into responses."""

import re

from sqlalchemy.exc import IntegrityError


class DomainError(Exception):
    """A request that the rules of a module refuse. The message is shown to the caller."""


class NotFound(DomainError):
    """What was asked for does not exist."""


class Conflict(DomainError):
    """The request contradicts what is already there."""


class Stale(DomainError):
    """What the request was made from has changed since."""


class RemoteError(Exception):
    """A call of a module that another process serves came to nothing, or nobody knows to what: the
    module answered with no error that its interface declares, or not at all."""

    def __init__(
        self,
        said: str,
        module: str,
        *,
        reason: str | None = None,
        is_undone: bool = False,
        wait: int = 1,
    ) -> None:
        super().__init__(said)
        self.module = module
        """The one that failed, perhaps further on than the one that was called."""
        self.reason = reason or self.reason
        self.is_undone = is_undone
        """Whether it is known that nothing was done."""
        self.wait = wait
        """Seconds after which it may be tried again."""

    reason = "failed"
    """In a word, for metrics."""


class RemoteUnavailable(RemoteError):
    """Its process is not reachable, or what it answers is no answer."""

    reason = "unavailable"


class RemoteTimeout(RemoteError):
    """It did not answer in time."""

    reason = "timeout"


class RemoteRefused(RemoteError):
    """It was not even asked. `open`: it failed too often just now; `full`: too many wait for it; `off`:
    REMOTE_OFF names it."""

    reason = "open"


class RemoteMismatch(RemoteError):
    """Its process runs another release, with which this one cannot speak."""

    reason = "mismatch"


def status_of(kind: type[Exception]) -> int:
    """Return the status that a kind of error is answered with."""
    statuses = {NotFound: 404, Conflict: 409, Stale: 412}
    return next((number for base, number in statuses.items() if issubclass(kind, base)), 422)


def problem_type(kind: type[Exception]) -> str:
    """Return the URI that names a kind of error: `urn:problem-type:order-not-found`."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*", kind.__name__)
    return "urn:problem-type:" + "-".join(words).lower()


def violated(error: IntegrityError) -> str | None:
    """Return the name of the constraint that a statement would have broken."""
    driver = getattr(error.orig, "__cause__", None)
    name = getattr(driver, "constraint_name", None)
    return str(name) if name else None
