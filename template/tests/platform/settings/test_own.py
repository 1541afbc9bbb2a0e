"""Settings of a database of a module's own: what does not fit is one sentence, and quotes no password."""

import pytest

from app.platform.settings.settings import load_settings, SettingsError

SECRET = "long-enough-secret"
OWN = {
    "DATABASE_URL": f"postgresql://app:{SECRET}@main/shop",
    "OWN_DATABASE_URL": f"postgresql://app:{SECRET}@main/billing",
    "OWN_MIGRATION_DATABASE_URL": f"postgresql://admin:{SECRET}@main/billing",
    "MODULES": "billing",
}


def load(monkeypatch: pytest.MonkeyPatch, **given: str) -> str:
    for name, value in (OWN | given).items():
        monkeypatch.setenv(name, value)
    return repr(load_settings())


def test_a_service_has_one_beside_the_main_one(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = f"postgresql://admin:{SECRET}@elsewhere/shop"
    names = "REPLICATION_DATABASE_URL", "OWN_REPLICATION_DATABASE_URL"
    assert SECRET not in load(monkeypatch, **dict.fromkeys(names, elsewhere))
    of_service = OWN["OWN_DATABASE_URL"].replace("app", "app_billing")
    load(monkeypatch, OWN_DATABASE_URL=of_service, DATABASE_ROLES="app")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"MODULES": ""}, "OWN_DATABASE_URL: is the database of one module: name that one"),
        ({"MODULES": "billing ordering"}, "OWN_DATABASE_URL: is the database of one module"),
        (
            {"DATABASE_REPLICA_URL": OWN["DATABASE_URL"]},
            "DATABASE_REPLICA_URL: may not be set beside OWN_DATABASE_URL",
        ),
        (
            {"OWN_DATABASE_URL": f"postgresql://app:{SECRET}@main:5432/shop"},
            "OWN_DATABASE_URL: leads to the database of DATABASE_URL: name another one",
        ),
        (
            {"OWN_DATABASE_URL": f"postgresql://billing:{SECRET}@main/billing"},
            "OWN_DATABASE_URL: must name the user of DATABASE_URL",
        ),
        (
            {"OWN_MIGRATION_DATABASE_URL": OWN["OWN_DATABASE_URL"]},
            "OWN_MIGRATION_DATABASE_URL: must name another user than OWN_DATABASE_URL",
        ),
        (
            {"OWN_DATABASE_URL": "postgresql://app:short@main/billing"},
            "OWN_DATABASE_URL: has a password of less than 12 characters",
        ),
        ({"OWN_DATABASE_URL": "billing"}, "OWN_DATABASE_URL: is not a URL: write postgresql://"),
    ],
)
def test_what_does_not_fit_is_named(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(monkeypatch, **given)
    assert str(refused.value).startswith(said)
    assert ";" not in str(refused.value)
    assert SECRET not in str(refused.value)
