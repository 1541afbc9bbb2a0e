"""What is answered where the database failed: no more than is known, and whether to ask again.

A client that reads `Retry-After` comes back by itself. So it is sent only where nothing was done, and
where the next try may well succeed.
"""

from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.responses import Response

from app.platform.database import (
    is_moving,
    OutcomeUnknownError,
    sqlstate_of,
    UnreachableError,
)
from app.platform.web.problems import later, problem

_STOPPED = ("57014", "25P03", "25P04")
"""SQLSTATEs of what took too long, or was stopped by an operator. The next try would take as long."""
_LASTING = ("28", "3D000", "53100", "53400", "57P04")
"""Those, or classes of them, of what a moment does not mend: a login that is refused, no such database, a
full disk, a limit in the configuration."""
_PASSING = ("08", "25006", "40", "53", "55P03", "57")
"""Those, or classes of them, that may be gone at the next try: connection, conflict, lock, resources,
operator; and a server that takes no writes because another has become the primary."""
_UNKNOWN = ("08007", "40003")
_UNSTORABLE = ("22021", "22P05")
"""SQLSTATEs of a text with a character that Postgres has no place for, as NUL."""


def answer_to(error: Exception, *, has_written: bool, is_safe: bool = False) -> Response | None:
    """Return the answer to a request that the database failed, or None where it is not to blame.

    `has_written` says whether an earlier part of the request is committed, `is_safe` that it may be
    done again even then, as a GET may.
    """
    state = sqlstate_of(error)
    if isinstance(error, OutcomeUnknownError) or state in _UNKNOWN:
        # No Retry-After, and no status that a client or a proxy tries again by itself.
        return problem(500, "It is not known whether this was done. Look before you try again.")
    if state in _UNSTORABLE:
        return problem(422, "A text holds a character that cannot be stored.")
    if _is_out_of_range(error):
        return problem(422, "A number or a time is out of the range that can be stored.")
    may_pass = True
    if state in _STOPPED:
        said, may_pass = "A statement took too long, or was stopped.", False
    elif state.startswith(_LASTING):
        said, may_pass = "The database cannot do this at present.", False
    elif is_moving(error):
        said = "The data of this part of the application are being moved."
    elif isinstance(error, PoolTimeout):
        said = "All database connections are in use."
    elif isinstance(error, UnreachableError):
        said = "The database is not reachable."
    elif state.startswith(_PASSING):
        said = "The database could not do this just now."
    else:
        return None
    if has_written and not is_safe:
        return problem(503, f"{said} Part of the request was done: look before you try again.")
    if may_pass:
        return later(f"{said} Try again in a moment.")
    return problem(503, said if is_safe else f"{said} Nothing was changed.")


def _is_out_of_range(error: Exception) -> bool:
    """Say whether the driver had no way to send a value, as a time before the year 1 in UTC."""
    driver = getattr(getattr(error, "orig", None), "__cause__", None)
    cause = driver and driver.__cause__
    return isinstance(cause, OverflowError) or "cannot encode Decimal" in str(cause)
