"""What a module declares, and where it stands."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import APIRouter

from app.platform.jobs import Event, Handler, Job
from app.platform.telemetry import Objectives
from app.platform.wiring.moved_toml import Move


@dataclass(frozen=True)
class Module:
    """What a module's `wiring.py` declares."""

    build: Callable[..., object]
    """Makes the implementation. Its return annotation is the interface that others depend on."""
    routes: Callable[..., APIRouter] | None = None
    """Makes the module's routes from its interface and its `Database`, found by type."""
    jobs: Sequence[Job[Any]] = ()
    """Its jobs, as `jobs.py` declares them."""
    subscriptions: Mapping[type[Event], Handler | Job[Any]] = field(default_factory=dict)
    """Which events of other modules it listens to, and what it does then."""


@dataclass(frozen=True)
class ModuleFolder:
    """A module as it stands in the source tree."""

    name: str
    package: str
    path: Path
    declaration: Module
    interface: type
    depends_on: Sequence[str]
    owner: str
    needs: Mapping[str, type]
    """The parameters of `build`, by name."""
    objectives: Objectives = field(default_factory=Objectives)
    extensions: Sequence[str] = ()
    """The extensions of Postgres that it uses."""
    renamed: Move | None = None
    """How it got its name, while the old one still stands in for it."""

    @property
    def former(self) -> str | None:
        """What it was called, while the old name still stands in for it."""
        return None if self.renamed is None else self.renamed.name

    def former_name_of(self, job: str) -> str | None:
        """Return what the release before calls a job of this module, if it is called otherwise."""
        return None if self.renamed is None else f"{self.renamed.name}.{job}"
