"""Trouble: what goes wrong on purpose."""

from typing import Protocol


class Trouble(Protocol):
    async def nothing(self) -> None:
        """Do nothing."""
