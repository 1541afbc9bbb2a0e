"""Errors that a module's interface declares. `http` turns them into responses."""


class DomainError(Exception):
    """A request that the rules of a module refuse. The message is shown to the caller."""


class NotFound(DomainError):
    """What was asked for does not exist."""


class Conflict(DomainError):
    """The request contradicts what is already there."""
