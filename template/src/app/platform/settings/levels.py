"""Levels of loggers, as settings say them."""

from typing import Literal

Level = Literal["debug", "info", "warning", "error"]
MODULES = "app.modules."
"""What the loggers of modules begin with."""
_LEVELS = ("debug", "info", "warning", "error")


def parse_levels(text: str) -> dict[str, str]:
    """Return levels by logger, from `billing=debug sqlalchemy.engine=info`.

    A name with a dot is a logger's, one without is a module's. Raises ValueError.
    """
    levels = {}
    for each in text.split():
        name, _, level = each.partition("=")
        if not name or level not in _LEVELS:
            raise ValueError(
                f"{each} is no level: write billing=debug, with one of {', '.join(_LEVELS)}"
            )
        levels[name if "." in name else MODULES + name] = level
    return levels
