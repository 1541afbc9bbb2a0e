"""Postgres: one engine, a role for each module, transactions, reads, savepoints."""

from app.platform.database.credentials import connect, connect_in_greenlet, connect_straight
from app.platform.database.database import (
    check_none_is_open,
    Database,
    in_transaction,
    is_inside,
    opening,
)
from app.platform.database.driver import statements_may_take
from app.platform.database.engine import (
    async_url,
    close,
    create_engine,
    login_of,
    Pool,
)
from app.platform.database.errors import (
    BoundaryError,
    OF_DRIVER,
    OutcomeUnknownError,
    sqlstate_of,
    TransactionError,
    UnreachableError,
)
from app.platform.database.fetch import Prepared
from app.platform.database.gates import GATES
from app.platform.database.reading import (
    committed_ago,
    has_committed,
    read_after,
    Reading,
    reading_primary,
    ReadYourWrites,
)
from app.platform.database.replica import connect_replica, Replica
from app.platform.database.roles import (
    check_login,
    DatabaseAheadError,
    EXTENSIONS,
    grant,
    let_use,
    make_roles,
    MigrationError,
    owner_of,
    prepare_schema,
    refused,
    repeated,
    role_of,
    ROLES,
    roles_of,
)
from app.platform.database.side_watch import find_open_side, is_moving, SidesError, watched
from app.platform.database.sides import Place, Side, Sides, sides_of
from app.platform.database.statement_spans import trace_statements
from app.platform.database.tables import NAMING
from app.platform.database.transaction import (
    has_begun,
    is_of_this_task,
    roles_in,
    send,
    send_last,
    Tx,
    view_of,
    when_ended,
)

__all__ = [
    "EXTENSIONS",
    "GATES",
    "NAMING",
    "OF_DRIVER",
    "ROLES",
    "BoundaryError",
    "Database",
    "DatabaseAheadError",
    "MigrationError",
    "OutcomeUnknownError",
    "Place",
    "Pool",
    "Prepared",
    "ReadYourWrites",
    "Reading",
    "Replica",
    "Side",
    "Sides",
    "SidesError",
    "TransactionError",
    "Tx",
    "UnreachableError",
    "async_url",
    "check_login",
    "check_none_is_open",
    "close",
    "committed_ago",
    "connect",
    "connect_in_greenlet",
    "connect_replica",
    "connect_straight",
    "create_engine",
    "find_open_side",
    "grant",
    "has_begun",
    "has_committed",
    "in_transaction",
    "is_inside",
    "is_moving",
    "is_of_this_task",
    "let_use",
    "login_of",
    "make_roles",
    "opening",
    "owner_of",
    "prepare_schema",
    "read_after",
    "reading_primary",
    "refused",
    "repeated",
    "role_of",
    "roles_in",
    "roles_of",
    "send",
    "send_last",
    "sides_of",
    "sqlstate_of",
    "statements_may_take",
    "trace_statements",
    "view_of",
    "watched",
    "when_ended",
]
