"""Settings: environment variables, or files of the same names in /run/secrets."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, FilePath, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

_SECRETS = Path("/run/secrets")


class SettingsError(Exception):
    """The environment is not fit to start with. The message names each variable."""


def _database_url(value: str) -> str:
    try:
        url = make_url(value)
    except ArgumentError:
        raise ValueError("is not a URL: write postgresql://user:password@host:5432/name") from None
    if url.drivername not in {"postgresql", "postgres"}:
        raise ValueError("must start with postgresql://")
    if unknown := url.query.keys() - {"sslmode"}:
        raise ValueError(f"has parameters that are not supported: {', '.join(sorted(unknown))}")
    if not url.username or not url.database:
        raise ValueError("must name a user and a database: postgresql://user:password@host/name")
    return value


DatabaseUrl = Annotated[str, AfterValidator(_database_url)]


class Settings(BaseSettings):
    """Everything that differs between two environments."""

    model_config = SettingsConfigDict(secrets_dir=_SECRETS if _SECRETS.is_dir() else None)

    database_url: DatabaseUrl
    """The login that serves requests. By itself it may read no table."""
    migration_database_url: DatabaseUrl | None = None
    """An admin with CREATEROLE who owns the database. Only `app migrate` uses it."""
    database_pool_size: int = Field(default=10, ge=1, le=1000)
    database_pool_timeout: float = Field(default=5, gt=0)
    """Seconds to wait for a free connection before the request is refused."""
    database_statement_timeout: float = Field(default=5, gt=0)
    """Seconds until Postgres stops a statement."""
    request_body_limit: int = Field(default=1_000_000, ge=1)
    """Bytes."""
    request_timeout: float = Field(default=30, gt=0)
    """Seconds until a request is given up, and what it did not commit is undone."""
    request_concurrency: int = Field(default=100, ge=1)
    """Requests that one process works on at once; more are refused."""
    shutdown_delay: float = Field(default=5, ge=0)
    """Seconds in which load balancers notice that the process is about to stop, and it serves."""
    shutdown_timeout: float = Field(default=30, gt=0)
    """Seconds that running requests have left after that."""

    worker_concurrency: int = Field(default=10, ge=1, le=1000)
    """How many jobs one worker runs at a time."""
    worker_drain_timeout: float = Field(default=25, ge=0)
    """Seconds that running jobs have to end when a worker is stopped; then another takes them."""
    worker_lost_after: float = Field(default=10, ge=1)
    """Seconds of silence after which a worker counts as dead, and others take its jobs."""

    flags_file: FilePath | None = None
    """Says of flags what is to hold here, whatever the file of their module says."""

    @property
    def admin_url(self) -> str:
        """The URL that migrations use."""
        return self.migration_database_url or self.database_url


def load_settings(**given: str) -> Settings:
    """Read the settings; what is given counts more than the environment.

    Raises SettingsError naming every variable that is missing or wrong.
    """
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        problems = "; ".join(
            f"{str(problem['loc'][0]).upper()}: {_sentence(problem['msg'])}"
            for problem in error.errors()
        )
        raise SettingsError(problems) from None


def _sentence(message: str) -> str:
    return message.removeprefix("Value error, ").replace("Field required", "is not set")
