"""A module in a few lines, and what becomes of files beside it."""

from collections.abc import Callable, Mapping
from textwrap import dedent

import pytest

from scaffold.renaming import edited
from scaffold.renaming.edited import Edited

MODULE = {
    "__init__.py": """
        from typing import Protocol

        class Charge: ...

        class BillingError(Exception): ...

        class Billing(Protocol):
            async def charge(self) -> Charge: ...
        """,
    "module.toml": 'owner = "@acme/team"\ndepends_on = []\n',
    "flags.json": '{"flags": {"new_tax": {}}}\n',
    "service.py": """
        class BillingService:
            async def charge(self): ...
        """,
    "jobs.py": """
        from app.platform.jobs import job

        @job()
        async def send_invoice(tx, new): ...
        """,
    "routes.py": """
        def routes(service, db):
            @router.get("/accounts/{id}")
            async def get_account(id): ...
        """,
    "tables.py": """
        class Base(DeclarativeBase):
            metadata = MetaData(schema="billing")

        class ChargeRow(Base):
            __tablename__ = "charges"
        """,
    "wiring.py": """
        from . import Billing
        from .service import BillingService

        def build(db) -> Billing:
            return BillingService(db)
        """,
}

Rename = Callable[..., Edited]


class NoExamples:
    """A template that wrote nothing but what a test says."""

    missing = ""

    def __init__(self, lines: Mapping[str, set[str]]) -> None:
        self._lines = lines

    def lines(self, path: str, _: str) -> set[str]:
        return self._lines.get(path, set())


@pytest.fixture
def rename() -> Rename:
    """Rename billing to invoicing in some files, and in those of the module, without any git."""

    def _rename(
        files: Mapping[str, str],
        examples: Mapping[str, set[str]] | None = None,
        old: str = "billing",
        new: str = "invoicing",
    ) -> Edited:
        own = {f"src/app/modules/{old}/{path}": text for path, text in MODULE.items()}
        cls = old.title().replace("_", "")
        contents = {
            path: dedent(text).lstrip("\n").replace("billing", old).replace("Billing", cls).encode()
            for path, text in own.items()
        }
        contents |= {path: dedent(text).lstrip("\n").encode() for path, text in files.items()}
        tree = dict.fromkeys(contents, ("100644", ""))
        return edited.renamed(contents, tree, old, new, NoExamples(examples or {}))  # type: ignore[arg-type]

    return _rename


@pytest.fixture
def becomes(rename: Rename) -> Callable[..., str]:
    """What becomes of one file; the same text where nothing does."""

    def _becomes(path: str, text: str, *, old: str = "billing", new: str = "invoicing") -> str:
        done = rename({path: text}, old=old, new=new)
        after = {file.was: file.after for file in done.files}
        return after.get(path, dedent(text).lstrip("\n").encode()).decode()

    return _becomes
