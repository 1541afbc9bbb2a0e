"""How the database follows the code."""

from app.platform.migrations.histories import as_owner, config_of, explained
from app.platform.migrations.migrations import (
    admin_connection,
    is_migrated,
    migrate,
    pending_migrations,
    prepare,
)

__all__ = [
    "admin_connection",
    "as_owner",
    "config_of",
    "explained",
    "is_migrated",
    "migrate",
    "pending_migrations",
    "prepare",
]
