"""Which modules this process serves, by its settings."""

from collections.abc import Sequence

from app.platform.settings import (
    parse_addresses,
    parse_names,
    parse_timeouts,
    Settings,
    SettingsError,
)
from app.platform.wiring.interfaces import promises_of
from app.platform.wiring.modules import ModuleFolder


def placed(settings: Settings, folders: Sequence[ModuleFolder]) -> frozenset[str] | None:
    """Return the names of the modules that this process serves; None for all there are.

    Raises SettingsError where a variable names a module that there is not, or a method.
    """
    known = {folder.name: folder.interface for folder in folders}
    elsewhere = parse_addresses(settings.remote_modules)
    for variable, names in (
        ("MODULES", settings.modules.split()),
        ("REMOTE_MODULES", elsewhere),
        ("REMOTE_TIMEOUTS", parse_timeouts(settings.remote_timeouts)),
        ("REMOTE_OFF", parse_names(settings.remote_off)),
    ):
        for each in names:
            name, _, method = each.partition(".")
            if name not in known:
                raise SettingsError(
                    f"{variable}: names {name}, which is no module here: there are "
                    f"{', '.join(sorted(known))}"
                )
            methods = {promise.name for promise in promises_of(known[name])} if method else ()
            if method and method not in methods:
                raise SettingsError(
                    f"{variable}: names {each}, which {known[name].__name__} does not have: there "
                    f"are {', '.join(sorted(methods))}"
                )
    if settings.modules.strip():
        return frozenset(settings.modules.split())
    return frozenset(known.keys() - elsewhere.keys()) if elsewhere else None
