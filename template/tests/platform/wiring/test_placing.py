"""Which modules a process serves, by its settings alone."""

import pytest

from app.platform.settings.settings import load_settings, SettingsError
from app.platform.wiring.modules import ModuleFolder
from app.platform.wiring.placing import placed

KEYS = "a:" + "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg="


def placed_by(folders: list[ModuleFolder], **given: str) -> frozenset[str] | None:
    url = "postgresql://app:long-enough-secret@127.0.0.1:1/app"
    return placed(load_settings(database_url=url, remote_keys=KEYS, **given), folders)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, None),
        ({"modules": " catalog "}, {"catalog"}),
        ({"remote_modules": "catalog=http://catalog:8000"}, {"ordering"}),
        ({"modules": "ordering", "remote_modules": "catalog=http://c:1"}, {"ordering"}),
    ],
)
def test_a_process_serves_what_is_said_or_all_that_is_not_elsewhere(
    folders: list[ModuleFolder], given: dict[str, str], names: set[str] | None
) -> None:
    assert placed_by(folders, **given) == names


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"modules": "catalogue"},
            "MODULES: names catalogue, which is no module here: there are ca",
        ),
        ({"remote_modules": "x=http://x:1"}, "REMOTE_MODULES: names x, which is no module"),
        ({"remote_timeouts": "x.y=1"}, "REMOTE_TIMEOUTS: names x, which is no module"),
        ({"remote_off": "x.y"}, "REMOTE_OFF: names x, which is no module"),
        ({"remote_off": "catalog.nope"}, "catalog.nope, which Catalog does not have: there are cr"),
        ({"remote_timeouts": "catalog.nope=1"}, "REMOTE_TIMEOUTS: names catalog.nope, which Catal"),
    ],
)
def test_what_there_is_not_is_named(
    folders: list[ModuleFolder], given: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        placed_by(folders, **given)
