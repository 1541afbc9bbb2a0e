"""Until when versions of Python and PostgreSQL get security fixes.

Taken from https://devguide.python.org/versions/ (a month there is its last day here) and
https://www.postgresql.org/support/versioning/ (the second Thursday of November). Dates of versions
that are out seldom move. A version that is not here is newer than the table, or was over before it.
"""

from datetime import date

TAKEN = date(2026, 11, 30)
GOOD_FOR = 400
"""Days after which the table should be looked at again."""
SOON = 180
"""Days before its end at which a version is told of."""

ENDS = {
    "python": {
        "3.9": date(2025, 10, 31),
        "3.10": date(2026, 10, 31),
        "3.11": date(2027, 10, 31),
        "3.12": date(2028, 10, 31),
        "3.13": date(2029, 10, 31),
        "3.14": date(2030, 10, 31),
        "3.15": date(2031, 10, 31),
    },
    "postgres": {
        "13": date(2025, 11, 13),
        "14": date(2026, 11, 12),
        "15": date(2027, 11, 11),
        "16": date(2028, 11, 9),
        "17": date(2029, 11, 8),
        "18": date(2030, 11, 14),
    },
}


def end_of(product: str, version: str) -> date | None:
    """The last day of a version: `3.13`, or `18`. None where it is not known.

    Of one that is older than the table, the first day that the table knows.
    """
    ends = ENDS[product]
    if version in ends:
        return ends[version]
    oldest = min(ends, key=_numbers)
    return ends[oldest] if _numbers(version) < _numbers(oldest) else None


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
