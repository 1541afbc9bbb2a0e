"""What the environment says, and which release this is."""

from typing import TYPE_CHECKING

from app.platform.lazy import lazily
from app.platform.settings.levels import Level, MODULES, parse_levels
from app.platform.settings.release import (
    application_description,
    application_name,
    is_for_development,
    user_agent,
)

if TYPE_CHECKING:
    from app.platform.settings.kinds import MEMORY
    from app.platform.settings.remote import (
        parse_addresses,
        parse_keys,
        parse_names,
        parse_timeouts,
    )
    from app.platform.settings.settings import load_settings, Settings, SettingsError
else:  # `app --help` has no use for pydantic.
    __getattr__ = lazily(
        __name__,
        {
            "kinds": ("MEMORY",),
            "remote": ("parse_addresses", "parse_keys", "parse_names", "parse_timeouts"),
            "settings": ("load_settings", "Settings", "SettingsError"),
        },
    )

__all__ = [
    "MEMORY",
    "MODULES",
    "Level",
    "Settings",
    "SettingsError",
    "application_description",
    "application_name",
    "is_for_development",
    "load_settings",
    "parse_addresses",
    "parse_keys",
    "parse_levels",
    "parse_names",
    "parse_timeouts",
    "user_agent",
]
