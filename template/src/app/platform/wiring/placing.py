"""Which modules this process serves, by its settings."""

from collections.abc import Sequence

from app.platform.settings import (
    parse_addresses,
    parse_names,
    parse_timeouts,
    Settings,
    SettingsError,
)
from app.platform.wiring.modules import ModuleFolder


def placed(settings: Settings, folders: Sequence[ModuleFolder]) -> frozenset[str] | None:
    """Return the names of the modules that this process serves; None for all there are.

    Raises SettingsError where a variable names a module that there is not.
    """
    known = {folder.name for folder in folders}
    elsewhere = parse_addresses(settings.remote_modules)
    for variable, names in (
        ("MODULES", settings.modules.split()),
        ("REMOTE_MODULES", elsewhere),
        ("REMOTE_TIMEOUTS", parse_timeouts(settings.remote_timeouts)),
        ("REMOTE_OFF", parse_names(settings.remote_off)),
    ):
        if unknown := next((each for each in names if each.partition(".")[0] not in known), None):
            raise SettingsError(
                f"{variable}: names {unknown}, which is no module here: there are "
                f"{', '.join(sorted(known))}"
            )
    if settings.modules.strip():
        return frozenset(settings.modules.split())
    return frozenset(known - elsewhere.keys()) if elsewhere else None
