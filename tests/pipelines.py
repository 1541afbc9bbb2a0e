"""A generated repository on its forge, and what is planted in it to turn its pipeline red."""

import os
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from generated import UV, Repository
from pipeline_tools import does_nothing, tool, uv_that_asks

CATALOG = "src/app/modules/catalog"
KEY = "AKIA" + "Z7Q4" + "XW2N" + "LM5K" + "P3RT"  # In parts: this file has no secret in it.
DROP = '''\
"""Drop the stock.

Revision: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.drop_column("products", "stock", schema="catalog")


def downgrade() -> None:
    raise NotImplementedError
'''


@dataclass(frozen=True)
class Plant:
    """A change that must turn one step red, and no other."""

    step: str
    job: str
    file: str
    text: str
    replaces: str = ""
    """What of the file it stands for; otherwise it is the whole file."""


PLANTED = [
    Plant("lock", "check", "pyproject.toml", '"httpx>=0.28.1,<0.29"', '"httpx>=0.28,<0.29"'),
    Plant("lint", "check", f"{CATALOG}/rates.py", '"""Rates."""\n\nRATE   = 1\n'),
    Plant("typecheck", "check", f"{CATALOG}/fees.py", '"""Fees."""\n\nFEE: int = "1"\n'),
    Plant(
        "boundaries",
        "check",
        f"{CATALOG}/buyers.py",
        '"""Buyers."""\n\nfrom app.modules.identity.tables import CustomerRow\n\nRow = CustomerRow\n',
    ),
    Plant(
        "sql",
        "check",
        f"{CATALOG}/queries.py",
        '"""Queries."""\n\nfrom sqlalchemy import text\n\n'
        'ALL = text("SELECT id FROM identity.customers")\n',
    ),
    Plant(
        "flags",
        "check",
        "src/app/modules/ordering/flags.json",
        '"defaultVariant": "of"',
        '"defaultVariant": "off"',
    ),
    Plant("migrations", "check", f"{CATALOG}/migrations/0002_drop_stock.py", DROP),
    Plant(
        "contracts",
        "check",
        "src/app/modules/billing/__init__.py",
        "    customer_id: UUID\n    amount: Decimal | int\n",
        "    customer_id: UUID\n    amount: Decimal\n",
    ),
    Plant("secrets", "supply-chain", f"{CATALOG}/keys.py", f'"""Keys."""\n\nKEY = "{KEY}"\n'),
    Plant("licences", "supply-chain", "pyproject.toml", "", "MIT AND PSF-2.0; "),
    Plant("alerts", "alerts", "observability/rules.yml", "2 - max by", "1 - max by"),
    Plant(
        "test-changed",
        "test",
        f"{CATALOG}/routes.py",
        "status_code=status.HTTP_200_OK",
        "status_code=status.HTTP_201_CREATED",
    ),
]

TOGETHER = [
    ("lock", "typecheck", "sql", "migrations"),
    ("lint", "boundaries", "flags", "contracts", "secrets", "licences", "alerts"),
    ("test-changed",),
]
"""What is planted at once, because a run takes longer than what it finds: each time, exactly these
steps must be red. Neighbours in cause stand apart: SQL from boundaries, style from types."""


def together(*steps: str) -> list[Plant]:
    return [plant for plant in PLANTED if plant.step in steps]


class Run(NamedTuple):
    """What a pipeline did: the result of each step, by its id, and what it printed."""

    results: dict[str, str]
    printed: str

    @property
    def failed(self) -> set[str]:
        return {step for step, result in self.results.items() if result != "success"}


class Pipeline:
    """A repository on its forge: `main` is pushed, and a branch with a change is checked out."""

    def __init__(self, repository: Repository, folder: Path, osv: str) -> None:
        self.repository = repository
        scripts = sysconfig.get_path("scripts")
        programs = uv_that_asks(folder / "bin", osv)
        does_nothing(programs, "sudo", "apt-get")  # What a runner installs is here.
        path = [str(programs), scripts, repository.environment["PATH"]]
        repository.environment = {
            **repository.environment,
            "GITLEAKS": tool("gitleaks"),
            "PATH": os.pathsep.join(path),
            "UV_CACHE_DIR": repository.run(UV, "cache", "dir").stdout.strip(),
        }
        del repository.environment["DATABASE_URL"]  # Tests start a Postgres of their own, as there.
        repository.run(UV, "lock", "--quiet")
        repository.commit("Lock")
        origin = folder / "origin.git"
        repository.git("init", "--quiet", "--bare", str(origin))
        repository.git("remote", "add", "origin", str(origin))
        repository.git("push", "--quiet", "origin", "main")
        repository.git("switch", "--quiet", "--create", "change")

    def plant(self, *planted: Plant) -> None:
        for each in planted:
            if each.replaces:
                self.repository.replace(each.file, each.replaces, each.text)
            else:
                (self.repository.path / each.file).write_text(each.text, "utf-8")
        self.repository.commit("Plant")

    def forget(self) -> None:
        self.repository.git("reset", "--quiet", "--hard", "main")
