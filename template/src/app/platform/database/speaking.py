"""Who speaks on a connection: the platform's alone to say, though a mapper's event sees the connection."""

from sqlalchemy import Connection

_KEY = object()
"""Nobody else has it: `Connection.info` is public."""


class Speaking:
    """What one transaction knows of its role."""

    __slots__ = ("begun", "lost", "read_only", "role", "speaker")

    def __init__(self, speaker: str | None = None, *, read_only: bool = False) -> None:
        self.begun = False
        self.speaker = speaker
        """The role that the next statement needs."""
        self.role: str | None = None
        """The one Postgres has now; None where that is unknown."""
        self.read_only = read_only
        """Whether the transaction is to write nothing."""
        self.lost = False
        """Whether there is no connection any more."""


def begin_speaking(connection: Connection) -> None:
    """Begin anew, with a transaction."""
    connection.info[_KEY] = Speaking()


def speaking_on(connection: Connection) -> Speaking:
    """Return who speaks in the transaction of a connection."""
    return connection.info.get(_KEY) or Speaking()
