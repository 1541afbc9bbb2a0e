"""Errors that a module's interface declares. `http` turns them into responses."""

from sqlalchemy.exc import IntegrityError


class DomainError(Exception):
    """A request that the rules of a module refuse. The message is shown to the caller."""


class NotFound(DomainError):
    """What was asked for does not exist."""


class Conflict(DomainError):
    """The request contradicts what is already there."""


def violated(error: IntegrityError) -> str | None:
    """Return the name of the constraint that a statement would have broken."""
    driver = getattr(error.orig, "__cause__", None)
    name = getattr(driver, "constraint_name", None)
    return str(name) if name else None
