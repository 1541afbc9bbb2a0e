"""Settings: what is missing or wrong is named, in one sentence each."""

import pytest

from app.platform.database.engine import async_url
from app.platform.settings.settings import load_settings, SettingsError


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENVIRONMENT", raising=False)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("MIGRATION_DATABASE_URL", raising=False)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "DATABASE_URL: is not set"),
        ("nonsense", "DATABASE_URL: is not a URL"),
        ("mysql://a:b@c/d", "DATABASE_URL: must start with postgresql://"),
        ("postgresql://host/name", "DATABASE_URL: must name a user and a database"),
        ("postgresql://a:b@host:x/name", "^DATABASE_URL: is not a URL: write [^;()]*$"),
        ("postgresql://a:b@host:70000/name", "DATABASE_URL: has a port that does not exist"),
    ],
)
def test_a_bad_database_url_is_named(
    monkeypatch: pytest.MonkeyPatch, value: str | None, said: str
) -> None:
    if value is not None:
        monkeypatch.setenv("DATABASE_URL", value)
    with pytest.raises(SettingsError, match=said):
        load_settings()


def test_no_password_is_shown_with_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "MIGRATION_DATABASE_URL", "DATABASE_REPLICA_URL"):
        user = "admin" if name.startswith("MIGRATION") else "app"
        monkeypatch.setenv(name, f"postgresql://{user}:canary-of-a-password@host/d")
    monkeypatch.setenv("CACHE_URL", "redis://:canary-of-a-password@cache:6379/0")
    monkeypatch.setenv("OIDC_ISSUER", "https://id.example.com")
    monkeypatch.setenv("OIDC_AUDIENCE", "shop")
    assert "canary" not in repr(load_settings())


@pytest.mark.parametrize("user", ["app", "reader"])
def test_a_replica_needs_the_same_login(monkeypatch: pytest.MonkeyPatch, user: str) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app@primary/d")
    monkeypatch.setenv("DATABASE_REPLICA_URL", f"postgresql://{user}@replica/d")
    if user == "app":
        assert load_settings().database_replica_url
    else:
        with pytest.raises(
            SettingsError, match="DATABASE_REPLICA_URL: must name the user of DATABASE_URL"
        ):
            load_settings()


def test_the_roles_are_those_of_the_login_unless_a_service_has_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app_billing@primary/d")
    assert load_settings().roles == "app_billing"
    monkeypatch.setenv("DATABASE_ROLES", "")
    assert load_settings().roles == "app_billing"
    monkeypatch.setenv("DATABASE_ROLES", "app")
    assert load_settings().roles == "app"
    monkeypatch.setenv("DATABASE_REPLICA_URL", "postgresql://reader@replica/d")
    assert load_settings().roles == "app"
    monkeypatch.setenv("DATABASE_ROLES", "app billing")
    with pytest.raises(SettingsError, match=r"^DATABASE_ROLES: is not the name of a login: write"):
        load_settings()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, None),
        ("", []),
        ("billing=app_billing  ordering=o", [("billing", "app_billing"), ("ordering", "o")]),
        (
            "billing",
            "SERVICE_LOGINS: are not modules with a login each: write billing=shop_billing",
        ),
        ("billing=a=b", "SERVICE_LOGINS: are not modules with a login each"),
        ("Billing=a", "SERVICE_LOGINS: are not modules with a login each"),
        ("billing=app", "SERVICE_LOGINS: app may speak as every module: name a login that the"),
        ("billing=admin", "SERVICE_LOGINS: admin may speak as every module"),
    ],
)
def test_the_logins_of_services_are_named_with_their_modules(
    monkeypatch: pytest.MonkeyPatch, value: str | None, said: list[tuple[str, str]] | str | None
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app@primary/d")
    monkeypatch.setenv("MIGRATION_DATABASE_URL", "postgresql://admin@primary/d")
    if value is not None:
        monkeypatch.setenv("SERVICE_LOGINS", value)
    if isinstance(said, str):
        with pytest.raises(SettingsError, match=said):
            load_settings()
    else:
        assert load_settings().services == said


def test_a_service_starts_where_it_is_told_its_own_login_as_well() -> None:
    """Its deployment has the settings of the whole, in which that stands."""
    settings = load_settings(
        modules="billing",
        database_url="postgresql://app_billing@primary/d",
        database_roles="app",
        service_logins="billing=app_billing",
    )
    assert settings.services == [("billing", "app_billing")]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://:secret@cache:6379/0", None),
        ("memory://", None),
        ("memcached://cache", "CACHE_URL: must be memory://, or start with redis://"),
        ("redis://cache:port/0", "CACHE_URL: is no URL of a Redis"),
    ],
)
def test_a_cache_is_in_memory_or_in_redis(
    monkeypatch: pytest.MonkeyPatch, url: str, said: str | None
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://a@c/d")
    monkeypatch.setenv("CACHE_URL", url)
    if said is None:
        assert load_settings().cache_url == url
    else:
        with pytest.raises(SettingsError, match=said):
            load_settings()


@pytest.mark.parametrize(
    ("url", "is_right"),
    [
        ("http://127.0.0.1:4318", True),
        ("https://otel.example.com/shop", True),
        ("", True),  # None, as OpenTelemetry has it.
        ("127.0.0.1:4318", False),
        ("grpc://otel.example.com:4317", False),
        ("http://otel.example.com:port", False),
        ("http://otel.example.com?key=1", False),
    ],
)
def test_a_collector_has_a_url(monkeypatch: pytest.MonkeyPatch, url: str, is_right: bool) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://a@c/d")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    if is_right:
        assert load_settings().otel_exporter_otlp_endpoint == url
    else:
        said = "^OTEL_EXPORTER_OTLP_ENDPOINT: is not the URL of a collector: write http"
        with pytest.raises(SettingsError, match=said):
            load_settings()


@pytest.mark.parametrize("ratio", ["-0.1", "1.5", "nan"])
def test_a_ratio_of_traces_is_between_none_and_all(
    monkeypatch: pytest.MonkeyPatch, ratio: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://a@c/d")
    monkeypatch.setenv("TRACES_SAMPLE_RATIO", ratio)
    with pytest.raises(SettingsError, match="TRACES_SAMPLE_RATIO: "):
        load_settings()


def test_every_problem_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_POOL_SIZE", "none")
    with pytest.raises(SettingsError, match=r"DATABASE_URL: .*; DATABASE_POOL_SIZE: "):
        load_settings()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ENVIRONMENT": "staging"}, "ENVIRONMENT: Input should be 'development' or 'production'"),
        ({"OIDC_ISSUER": "https://id.example.com"}, "OIDC_AUDIENCE: belongs to OIDC_ISSUER"),
        ({"OIDC_AUDIENCE": "shop"}, "OIDC_AUDIENCE: belongs to OIDC_ISSUER"),
        ({"OIDC_CLIENTS": "web-shop"}, "OIDC_CLIENTS: belongs to OIDC_ISSUER"),
        (
            {"OIDC_ISSUER": "http://id.example.com", "OIDC_AUDIENCE": "shop"},
            "OIDC_ISSUER: must start with https://",
        ),
        ({"DATABASE_URL": "postgresql://a:short@c/d"}, "DATABASE_URL: has a password of less than"),
        (
            {"MIGRATION_DATABASE_URL": "postgresql://admin:short@c/d"},
            "MIGRATION_DATABASE_URL: has a password",
        ),
        (
            {"MIGRATION_DATABASE_URL": "postgresql://a:another-long-secret@c/d"},
            "MIGRATION_DATABASE_URL: must name another user than DATABASE_URL",
        ),
        ({"DATABASE_STATEMENT_TIMEOUT": "60"}, "DATABASE_STATEMENT_TIMEOUT: must not be longer"),
        ({"REQUEST_TIMEOUT": "60"}, "SHUTDOWN_TIMEOUT: must not be shorter than REQUEST_TIMEOUT"),
        ({"CORS_ORIGINS": "*"}, r"CORS_ORIGINS: \* is not an origin"),
        ({"CORS_ORIGINS": "https://a.example.com/"}, "CORS_ORIGINS: https://a.example.com/ is not"),
        ({"CORS_ORIGINS": "https://Shop.Example.com"}, "write https://shop.example.com$"),
        ({"CORS_ORIGINS": "https://a.example.com:443"}, "write https://a.example.com$"),
        ({"CORS_ORIGINS": "http://[::1]:80"}, r"write http://\[::1\]$"),
        (
            {"CORS_ORIGINS": "https://a.example.com:x"},
            "CORS_ORIGINS: https://a.example.com:x is not",
        ),
        ({"CORS_ORIGINS": "https://[a"}, r"CORS_ORIGINS: https://\[a is not"),
        ({"OIDC_ISSUER": "https://", "OIDC_AUDIENCE": "shop"}, "OIDC_ISSUER: is not the URL of an"),
        (
            {"OIDC_ISSUER": "https://id.example.com?a", "OIDC_AUDIENCE": "shop"},
            "OIDC_ISSUER: is not the URL of an",
        ),
        (
            {"OIDC_ISSUER": "https://id.example.com", "OIDC_AUDIENCE": " "},
            "OIDC_AUDIENCE: is blank",
        ),
        ({"RATE_LIMIT": "0"}, "RATE_LIMIT: Input should be greater than 0"),
        ({"RATE_LIMIT": "inf"}, "RATE_LIMIT: Input should be a finite number"),
        ({"SHUTDOWN_TIMEOUT": "inf"}, "SHUTDOWN_TIMEOUT: Input should be a finite number"),
        ({"SHUTDOWN_DELAY": "nan"}, "SHUTDOWN_DELAY: Input should be a finite number"),
        (
            {"DATABASE_STATEMENT_TIMEOUT": "0.0003"},
            "DATABASE_STATEMENT_TIMEOUT: Input should be greater than or equal to 0.001",
        ),
    ],
)
def test_what_is_weak_or_contradictory_in_production_is_named(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], said: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://a:long-enough-secret@c/d")
    assert not load_settings().is_development
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=said):
        load_settings()


def test_origins_and_issuers_as_they_should_be_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://a@c:5432/d")
    origins = "https://shop.example.com http://127.0.0.1:3000 http://[::1]:3000"
    monkeypatch.setenv("CORS_ORIGINS", origins)
    monkeypatch.setenv("OIDC_ISSUER", "https://id.example.com:443/Realms/shop/")
    monkeypatch.setenv("OIDC_AUDIENCE", "shop")
    assert load_settings().cors_origins == origins


def test_on_a_machine_of_ones_own_passwords_may_be_weak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://a:b@c/d")
    monkeypatch.setenv("ENVIRONMENT", "development")
    assert load_settings().is_development


def test_the_admin_is_the_login_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://a@c/d")
    assert load_settings().admin_url == "postgresql://a@c/d"
    monkeypatch.setenv("MIGRATION_DATABASE_URL", "postgresql://admin@c/d")
    assert load_settings().admin_url == "postgresql://admin@c/d"


def test_the_sslmode_of_a_managed_postgres_is_understood() -> None:
    assert async_url("postgres://a:b@c/d?sslmode=require") == (
        "postgresql+asyncpg://a:b@c/d?ssl=require"
    )
