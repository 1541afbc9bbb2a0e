"""What the environment says, and which release this is."""

from app.platform.settings.levels import Level, MODULES, parse_levels
from app.platform.settings.release import application_name, is_for_development, user_agent
from app.platform.settings.settings import load_settings, MEMORY, Settings, SettingsError

__all__ = [
    "MEMORY",
    "MODULES",
    "Level",
    "Settings",
    "SettingsError",
    "application_name",
    "is_for_development",
    "load_settings",
    "parse_levels",
    "user_agent",
]
