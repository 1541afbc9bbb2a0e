"""Settings: environment variables, or files of the same names in /run/secrets."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, FilePath, model_validator, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import make_url

from app.platform.settings.contradictions import contradictions
from app.platform.settings.kinds import (
    CacheUrl,
    Collector,
    Commit,
    DatabaseUrl,
    Login,
    LogLevels,
    MEMORY,
    parse_logins,
    Seconds,
    ServiceLogins,
    Version,
)
from app.platform.settings.levels import Level
from app.platform.settings.release import installed_version
from app.platform.settings.remote import (
    Addresses,
    Keys,
    ModuleNames,
    Names,
    Timeouts,
)

_SECRETS = Path("/run/secrets")


class SettingsError(Exception):
    """The environment is not fit to start with. The message names each variable."""


class Settings(BaseSettings):
    """Everything that differs between two environments."""

    model_config = SettingsConfigDict(
        secrets_dir=_SECRETS if _SECRETS.is_dir() else None,
        hide_input_in_errors=True,  # It holds passwords.
    )

    environment: Literal["development", "production"] = "production"
    """Only in development are tokens believed that `app token` has signed."""
    app_version: Version = Field(default_factory=installed_version)
    """Which release this is: every signal carries it. The image brings it along."""
    app_commit: Commit | None = None
    """What it was built from."""
    oidc_issuer: str | None = None
    """The URL of the OpenID Connect issuer whose access tokens count."""
    oidc_audience: str | None = None
    """Whom the tokens must be for: what the issuer calls this application."""
    oidc_clients: str = ""
    """The clients whose tokens count, as the issuer calls them: `web-shop back-office`; or all."""
    cors_origins: str = ""
    """Web sites whose scripts may call: `https://shop.example.com https://example.com`."""
    rate_limit: float = Field(default=100, gt=0, allow_inf_nan=False)
    """Requests a second that one caller may send to one process; for a moment, ten times as many."""

    database_url: DatabaseUrl = Field(repr=False)
    """The login that serves requests. By itself it may read no table."""
    database_roles: Login | None = None
    """The login whose roles statements run as, where that of DATABASE_URL is a service's own."""
    migration_database_url: DatabaseUrl | None = Field(default=None, repr=False)
    """An admin with CREATEROLE who owns the database. Only `app migrate` uses it."""
    service_logins: ServiceLogins | None = None
    """The logins of services, as `app migrate` is to let them speak: `billing=app_billing`, as that module
    and no other. Nothing, but said, takes it from all; where it is not set, all stays as it is."""
    database_replica_url: DatabaseUrl | None = Field(default=None, repr=False)
    """A streaming replica of that database, for reads."""
    database_replica_max_lag: Seconds = Field(default=5, ge=2, le=600)
    """Seconds that a read from the replica may be behind the primary."""
    own_database_url: DatabaseUrl | None = Field(default=None, repr=False)
    """A database of its own for the one module of MODULES, to which its data move: `app carve`. Until they
    have, and for the queue, DATABASE_URL is needed as well; both must reach Postgres itself, or a pooler
    that pools sessions."""
    own_migration_database_url: DatabaseUrl | None = Field(default=None, repr=False)
    """Its admin, with CREATEROLE. Only `app migrate --own` and `app carve` use it; to move data it needs
    REPLICATION and pg_create_subscription."""
    replication_database_url: DatabaseUrl | None = Field(default=None, repr=False)
    """The admin of DATABASE_URL's database, as the server of OWN_DATABASE_URL reaches it, where that
    differs from MIGRATION_DATABASE_URL."""
    own_replication_database_url: DatabaseUrl | None = Field(default=None, repr=False)
    """The same the other way round, where it differs from OWN_MIGRATION_DATABASE_URL."""
    database_pool_size: int = Field(default=10, ge=1, le=1000)
    database_pool_timeout: Seconds = Field(default=5, gt=0)
    """Seconds to wait for a free connection before the request is refused."""
    database_statement_timeout: Seconds = Field(default=5, ge=0.001, le=86_400)
    """Seconds until Postgres stops a statement."""
    database_size_limit: int | None = Field(default=None, ge=1)
    """Bytes to which the database may grow, of which alerts warn. Nobody is told where none is set."""
    cache_url: CacheUrl = Field(default=MEMORY, repr=False)
    """A Redis that all processes share; otherwise each has a cache of its own, in memory."""
    request_body_limit: int = Field(default=1_000_000, ge=1)
    """Bytes."""
    request_timeout: Seconds = Field(default=30, gt=0)
    """Seconds until a request is given up, and what it did not commit is undone."""
    request_concurrency: int = Field(default=100, ge=1)
    """Requests that one process works on at once; more are refused."""
    request_concurrency_per_caller: int = Field(default=50, ge=1)
    """How many of them may be one caller's."""
    shutdown_delay: Seconds = Field(default=5, ge=0)
    """Seconds in which load balancers notice that the process is about to stop, and it serves."""
    shutdown_timeout: Seconds = Field(default=30, gt=0)
    """Seconds that running requests have left after that."""

    worker_concurrency: int = Field(default=10, ge=1, le=1000)
    """How many jobs one worker runs at a time."""
    worker_drain_timeout: Seconds = Field(default=25, ge=0)
    """Seconds that running jobs have to end when a worker is stopped; then another takes them."""
    worker_lost_after: Seconds = Field(default=10, ge=1)
    """Seconds of silence after which a worker counts as dead, and others take its jobs."""

    modules: ModuleNames = ""
    """What this process serves, its routes and jobs included: `billing`; or all but REMOTE_MODULES."""
    remote_modules: Addresses = ""
    """Where other modules are: `billing=http://billing:8000`, separated by spaces."""
    remote_keys: Keys = Field(default="", repr=False)
    """Sign the calls between processes: `2026-11:<base64> 2026-10:<base64>`, of 32 bytes or more. The
    first signs, all verify. A process that has some serves its modules to the others."""
    remote_timeouts: Timeouts = ""
    """Seconds that calls may take, where it is not 2: `billing=1 billing.charge=0.5`."""
    remote_off: Names = ""
    """What is not called at all: `billing.refund`, or `billing`. Whoever calls it is refused at once."""
    remote_concurrency: int = Field(default=20, ge=1, le=1000)
    """Calls of one module that this process has running at once; more are refused."""

    flags_file: FilePath | None = None
    """Says of flags what is to hold here, whatever the file of their module says."""

    log_level: Level = "info"
    """How much the application and its server log; libraries log what is wrong."""
    log_levels: LogLevels = ""
    """What differs: `billing=debug`, by module, or `sqlalchemy.engine=info`, by logger."""
    log_levels_file: FilePath | None = None
    """Says the same, counts more, and is looked at while the process runs."""

    metrics_host: str = "127.0.0.1"
    """Where Prometheus asks: an address of this machine, or 0.0.0.0 for all of them."""
    metrics_port: int = Field(default=9464, ge=0, le=65535)
    """The first free port from here on is taken, one by each process; 0 serves no metrics."""

    otel_exporter_otlp_endpoint: Collector | None = None
    """Where traces are sent, by OTLP over HTTP: http://127.0.0.1:4318. None are made without."""
    traces_sample_ratio: float = Field(default=0.05, ge=0, le=1, allow_inf_nan=False)
    """The share of the traces that begin here which are recorded. Callers whom we know decide for
    theirs."""

    @property
    def is_development(self) -> bool:
        """Whether this is a developer's machine, or a test."""
        return self.environment == "development"

    @property
    def release(self) -> dict[str, str]:
        """What signals say of the release, under the names of OpenTelemetry."""
        commit = {"vcs.ref.head.revision": self.app_commit} if self.app_commit else {}
        return {"service.version": self.app_version, **commit}

    @property
    def roles(self) -> str:
        """The login whose roles statements run as."""
        return self.database_roles or make_url(self.database_url).username or ""

    @property
    def services(self) -> list[tuple[str, str]] | None:
        """Modules, each with a login that may speak as it; None where nobody has said."""
        return None if self.service_logins is None else parse_logins(self.service_logins)

    @property
    def admin_url(self) -> str:
        """The URL that migrations use."""
        return self.migration_database_url or self.database_url

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if wrong := [f"{name}: {what}" for name, what in contradictions(self)]:
            raise ValueError("; ".join(wrong))
        return self


def load_settings(**given: str) -> Settings:
    """Read the settings; what is given counts more than the environment.

    Raises SettingsError naming every variable that is missing or wrong.
    """
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(each) for each in error.errors())) from None


def _sentence(error: ErrorDetails) -> str:
    message = error["msg"].removeprefix("Value error, ").replace("Field required", "is not set")
    # What does not fit together names its variables itself.
    return f"{str(error['loc'][0]).upper()}: {message}" if error["loc"] else message
