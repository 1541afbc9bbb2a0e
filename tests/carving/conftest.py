"""Small repositories of three modules, in which one thing is planted."""

import shutil
from collections.abc import Callable
from pathlib import Path

import carvable as carvable_shop
import pytest
from helpers import git
from histories import commit

from scaffold.carving.bill import Bill, write

MODULES = "src/app/modules"
INTERFACE = """
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID
from app.platform.database import Tx
from app.platform.errors import Conflict
from app.platform.jobs import Event

@dataclass(frozen=True)
class Entry:
    id: UUID

@dataclass(frozen=True)
class Charged(Event):
    id: UUID

class Declined(Conflict): ...

class Billing(Protocol):
    async def charge(self, tx: Tx, id: UUID) -> Entry: ...
    async def balance(self, tx: Tx, id: UUID) -> int: ...
    async def hold(self, tx: Tx, id: UUID) -> None: ...
    async def get(self, id: UUID) -> Entry: ...
    async def get_all(self, ids: Sequence[UUID]) -> Sequence[Entry]: ...
    def stream(self) -> Sequence[Entry]: ...
"""
SERVICE = """
from sqlalchemy import select
from . import Charged
from .jobs import remind

class BillingService:
    def __init__(self, db, events):
        self._db, self._events = db, events

    async def charge(self, tx, id):
        await self._book(tx, id)
        await remind.enqueue(tx, id)

    async def _book(self, tx, id):
        tx.add(id)
        await self._events.publish(tx, Charged(id))

    async def balance(self, tx, id):
        return await tx.scalar(select(id))

    async def hold(self, tx, id):
        await tx.scalar(select(id).with_for_update())
"""
FILES = {
    ".copier-answers.yml": "_src_path: /x\n_commit: v1.0.0\n",
    f"{MODULES}/billing/__init__.py": INTERFACE,
    f"{MODULES}/billing/module.toml": 'owner = "@acme/payments"\n',
    f"{MODULES}/billing/jobs.py": "from app.platform.jobs import job\n"
    "@job()\nasync def remind(tx, id): ...\n",
    f"{MODULES}/billing/service.py": SERVICE,
    f"{MODULES}/billing/wiring.py": "from . import Billing\nfrom .service import BillingService\n"
    "def build(db, events) -> Billing:\n    return BillingService(db, events)\n",
    f"{MODULES}/ordering/__init__.py": "from typing import Protocol\n"
    "from app.platform.database import Tx\n"
    "class Ordering(Protocol):\n    async def place(self, tx: Tx) -> None: ...\n",
    f"{MODULES}/ordering/module.toml": 'owner = "@acme/sales"\ndepends_on = ["billing"]\n',
    f"{MODULES}/ordering/wiring.py": "from . import Ordering\nfrom .service import Service\n"
    "def build(db) -> Ordering:\n    return Service(db)\n",
}

Written = Callable[[dict[str, str]], Bill]


@pytest.fixture
def planted(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """Make the repository; files are given below `src/app/modules`."""

    def _planted(files: dict[str, str]) -> Path:
        root = tmp_path / "shop"
        for name, content in {
            **FILES,
            **{f"{MODULES}/{name}": content for name, content in files.items()},
        }.items():
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        git(root, "init", "--quiet")
        return root

    return _planted


@pytest.fixture
def bill(planted: Callable[[dict[str, str]], Path]) -> Written:
    """The bill of billing, with those files."""
    return lambda files: write(planted(files), "billing", None)


@pytest.fixture(scope="session")
def carvable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A template, and a repository with billing, which depends on catalog."""
    folder = tmp_path_factory.mktemp("carvable")
    carvable_shop.make(folder)
    return folder


@pytest.fixture
def shop(carvable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That repository, as one of one's own; the current folder is in it."""
    copy = shutil.copytree(carvable, tmp_path / "carvable") / "shop"
    for answers in copy.rglob(".copier-answers*.yml"):
        answers.write_text(answers.read_text().replace(str(carvable), str(copy.parent)))
    monkeypatch.chdir(copy)
    commit("Find the template")
    return copy
