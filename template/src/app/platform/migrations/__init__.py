"""How the database follows the code."""

from app.platform.migrations.histories import (
    applied_to,
    as_owner,
    check_not_ahead,
    config_of,
    explained,
)
from app.platform.migrations.locks import TURN
from app.platform.migrations.migrations import (
    admin_connection,
    is_migrated,
    migrate,
    pending_migrations,
    prepare,
)
from app.platform.migrations.moves import to_be_done

__all__ = [
    "TURN",
    "admin_connection",
    "applied_to",
    "as_owner",
    "check_not_ahead",
    "config_of",
    "explained",
    "is_migrated",
    "migrate",
    "pending_migrations",
    "prepare",
    "to_be_done",
]
