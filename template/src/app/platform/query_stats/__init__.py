"""What statements cost, by module, as Postgres counts it."""

from app.platform.query_stats.schema import find_extension, install_views, why_unreadable
from app.platform.query_stats.slow import (
    connect_statistics,
    slow_statements,
    SlowStatement,
    StatisticsError,
    sums_by_role,
)

__all__ = [
    "SlowStatement",
    "StatisticsError",
    "connect_statistics",
    "find_extension",
    "install_views",
    "slow_statements",
    "sums_by_role",
    "why_unreadable",
]
