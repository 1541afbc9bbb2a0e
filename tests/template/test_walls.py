"""Planted violations: each is a small change to one repository that a wall must refuse.

The repository has catalog and ordering, which know nobody, and billing, which depends on catalog.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from generated import UV, Generate, Repository

MODULES = "src/app/modules"
BILLING = f"{MODULES}/billing"
ORDERING = f"{MODULES}/ordering"
PRIVATE = "Import from app.modules.catalog, or add what is missing to its interface."


@dataclass(frozen=True)
class Plant:
    """Text put at the end of a file; the wall must name the line that holds `at`."""

    file: str
    text: str
    says: str
    at: str = ""
    where: str = ""
    """The file to be named, if it is another one."""


@pytest.fixture(scope="module")
def walled(generate: Generate) -> Repository:
    shop = generate()
    shop.add_module("billing", "--entity", "invoice", "--depends-on", "catalog")
    shop.run(UV, "sync", "--quiet")
    shop.commit()
    return shop


@pytest.fixture
def repository(walled: Repository) -> Iterator[Repository]:
    """The repository, put back to what it was after the test."""
    yield walled
    walled.git("checkout", "--quiet", ".")
    walled.git("clean", "-dfq")


def plant(repository: Repository, file: str, text: str) -> None:
    path = repository.path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text("utf-8") if path.exists() else ""
    path.write_text(f"{before}{text}\n", "utf-8")


def refused(repository: Repository, *command: str) -> str:
    """What a wall prints; it must refuse."""
    done = repository.run(".venv/bin/python", "-m", *command, check=False)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout


def line_of(repository: Repository, file: str, text: str) -> int:
    lines = repository.read(file).splitlines()
    return max(number for number, line in enumerate(lines, 1) if text in line)


def assert_refused(repository: Repository, planted: Plant) -> None:
    plant(repository, planted.file, planted.text)
    printed = refused(repository, "checks")
    file = planted.where or planted.file
    line = line_of(repository, file, planted.at or planted.text.splitlines()[-1])
    [said] = [each for each in printed.splitlines() if each.startswith(f"{file}:{line}: ")]
    assert planted.says in said


def test_the_clean_repository_passes(repository: Repository) -> None:
    done = repository.run(".venv/bin/python", "-m", "checks")
    assert ".py:" not in done.stdout
    repository.run(".venv/bin/python", "-m", "mypy")


IMPORTS = {
    "absolute": Plant(
        f"{BILLING}/service.py", "from app.modules.catalog.service import x", PRIVATE
    ),
    "plain": Plant(f"{BILLING}/service.py", "import app.modules.catalog.service", PRIVATE),
    "renamed": Plant(f"{BILLING}/service.py", "import app.modules.catalog.service as x", PRIVATE),
    "a submodule by name": Plant(
        f"{BILLING}/service.py", "from app.modules.catalog import service", PRIVATE
    ),
    "relative": Plant(f"{BILLING}/service.py", "from ..catalog.service import x", PRIVATE),
    "relative submodule": Plant(f"{BILLING}/service.py", "from ..catalog import tables", PRIVATE),
    "lazy": Plant(
        f"{BILLING}/service.py",
        "def lazy():\n    from app.modules.catalog.service import x",
        PRIVATE,
    ),
    "star of an internal": Plant(
        f"{BILLING}/service.py", "from app.modules.catalog.service import *", PRIVATE
    ),
    "star of a package": Plant(
        f"{BILLING}/service.py", "from app.modules.catalog import *", "Name what you use."
    ),
    "TYPE_CHECKING": Plant(
        f"{BILLING}/service.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
        "    from app.modules.catalog.service import x",
        PRIVATE,
    ),
    "several lines": Plant(
        f"{BILLING}/service.py",
        "from app.modules.catalog.service import (  # first\n    x,\n    y,\n)",
        PRIVATE,
        at="first",
    ),
    "inline comments": Plant(
        f"{BILLING}/service.py",
        "import app.modules.catalog.service  # noqa  # type: ignore  # import-linter: ignore",
        PRIVATE,
    ),
    "attribute walk": Plant(
        f"{BILLING}/service.py",
        "from app.modules import catalog\nwalked = catalog.service.CatalogService",
        PRIVATE,
    ),
    "attribute walk from the top": Plant(
        f"{BILLING}/service.py",
        "import app.modules.catalog\nwalked = app.modules.catalog.tables.ItemRow",
        PRIVATE,
    ),
    "attribute walk from a relative import": Plant(
        f"{BILLING}/service.py",
        "from .. import catalog as c\ndef walk():\n    return c.tables.ItemRow",
        PRIVATE,
    ),
    "name in a string": Plant(
        f"{BILLING}/tests/test_service.py",
        'def test(monkeypatch):\n    monkeypatch.setattr("app.modules.catalog.service.x", 1)',
        PRIVATE,
    ),
    "tests of a module": Plant(
        f"{BILLING}/tests/test_service.py",
        "from app.modules.catalog.tables import ItemRow",
        PRIVATE,
    ),
    "tests of another module's tests": Plant(
        f"{BILLING}/tests/conftest.py", "from app.modules.catalog.tests.conftest import db", PRIVATE
    ),
    "a migration": Plant(
        f"{BILLING}/migrations/0002_x.py", "from app.modules.catalog.tables import Base", PRIVATE
    ),
    "a folder that is no package": Plant(
        f"{BILLING}/helpers/walk.py", "from app.modules.catalog.tables import Base", PRIVATE
    ),
    "the tests at the root": Plant(
        "tests/test_application.py", "from app.modules.catalog.service import x", PRIVATE
    ),
    "conftest at the root": Plant(
        "conftest.py", "walked = modules.catalog.service.CatalogService", PRIVATE
    ),
    "a script": Plant("scripts/fix.py", "from app.modules.catalog.tables import Base", PRIVATE),
    "main": Plant("src/app/main.py", "from app.modules.catalog.wiring import module", PRIVATE),
    "cli": Plant("src/app/cli.py", "from app.modules.catalog.routes import routes", PRIVATE),
    "re-export of an internal": Plant(
        f"{BILLING}/__init__.py",
        "from .tables import InvoiceRow",
        "Define here what others may use, and import it there.",
    ),
    "lazy re-export": Plant(
        f"{BILLING}/__init__.py",
        "def __getattr__(name):\n    from app.modules.billing.service import BillingService",
        "Define here what others may use, and import it there.",
    ),
    "a list of modules": Plant(
        f"{MODULES}/__init__.py", "from .catalog import Catalog", "Leave this file empty"
    ),
    "undeclared": Plant(
        f"{ORDERING}/service.py",
        "from app.modules.catalog import Catalog",
        f'Add "catalog" to depends_on in {ORDERING}/module.toml.',
    ),
    "undeclared in tests": Plant(
        f"{ORDERING}/tests/test_service.py",
        "from app.modules.catalog import Catalog",
        f'Add "catalog" to depends_on in {ORDERING}/module.toml.',
    ),
    "undeclared in a migration": Plant(
        f"{ORDERING}/migrations/0002_x.py",
        "from app.modules import catalog",
        f'Add "catalog" to depends_on in {ORDERING}/module.toml.',
    ),
    "all modules": Plant(
        f"{BILLING}/service.py",
        "from app import modules",
        "Import the package of the module that you need.",
    ),
    "platform imports a module": Plant(
        "src/app/platform/http.py",
        "from app.modules.catalog import Catalog",
        "Let main or the module pass in what is needed.",
    ),
    "platform imports modules": Plant(
        "src/app/platform/http.py",
        "from app import modules",
        "Let main or the module pass in what is needed.",
    ),
    "platform imports main": Plant(
        "src/app/platform/http.py",
        "def lazy():\n    from app.main import create_app",
        "Let main or the module pass in what is needed.",
    ),
    "platform imports cli": Plant(
        "src/app/platform/http.py",
        "import app.cli",
        "Let main or the module pass in what is needed.",
    ),
    "a module imports main": Plant(
        f"{BILLING}/routes.py",
        "from app.main import create_app",
        "Take what you need as a parameter",
    ),
    "a module imports cli": Plant(
        f"{BILLING}/tests/test_routes.py",
        "from ....cli import cli",
        "Take what you need as a parameter",
    ),
    "importlib": Plant(
        f"{BILLING}/service.py",
        "from importlib import import_module",
        "Write an import statement, or move this to app.platform.",
    ),
    "importlib, renamed": Plant(
        f"{BILLING}/service.py",
        "import importlib as harmless",
        "Write an import statement, or move this to app.platform.",
    ),
    "__import__": Plant(
        f"{BILLING}/service.py",
        'walked = __import__("app.modules.catalog" + ".service")',
        "Write an import statement, or move this to app.platform.",
    ),
    "sys.modules": Plant(
        f"{BILLING}/service.py",
        'import sys\nwalked = sys.modules["app.modules." + "catalog.service"]',
        "Write an import statement, or move this to app.platform.",
    ),
    "pkgutil": Plant(
        "src/app/main.py",
        "from pkgutil import resolve_name",
        "Write an import statement, or move this to app.platform.",
    ),
    "runpy": Plant(
        f"{BILLING}/tests/test_service.py",
        "import runpy",
        "Write an import statement, or move this to app.platform.",
    ),
    "exec": Plant(
        f"{BILLING}/migrations/0002_x.py",
        'exec("import app.main")',
        "Write an import statement, or move this to app.platform.",
    ),
    "a module without module.toml": Plant(
        f"{MODULES}/shipping/__init__.py", '"""Shipping."""', "Write one with `owner` and"
    ),
    "a file beside the modules": Plant(
        f"{MODULES}/helpers.py",
        '"""Helpers."""',
        "Move it into a module's folder or to app.platform.",
    ),
}


WIRING = {
    "Any": Plant(f"{BILLING}/wiring.py", "from typing import Any", "correct what mypy says."),
    "cast": Plant(f"{BILLING}/wiring.py", "from typing import cast", "correct what mypy says."),
    "type: ignore": Plant(
        f"{BILLING}/wiring.py", "x: int = module  # type: ignore", "correct what mypy says."
    ),
}


@pytest.mark.parametrize("planted", WIRING.values(), ids=WIRING)
def test_nothing_may_hide_in_wiring_what_mypy_would_see(
    repository: Repository, planted: Plant
) -> None:
    assert_refused(repository, planted)


@pytest.mark.parametrize("planted", IMPORTS.values(), ids=IMPORTS)
def test_the_import_graph_refuses(repository: Repository, planted: Plant) -> None:
    assert_refused(repository, planted)


def test_the_import_graph_refuses_a_declared_dependency_that_is_unused(
    repository: Repository,
) -> None:
    toml = f"{ORDERING}/module.toml"
    repository.replace(toml, "depends_on = []", 'depends_on = [\n  "catalog",\n]')
    plant(
        repository, f"{ORDERING}/tests/test_service.py", "from app.modules.catalog import Catalog"
    )
    printed = refused(repository, "checks")
    assert f"{toml}:3: declares that ordering depends on" in printed
    assert "Remove it from depends_on." in printed


def test_the_import_graph_refuses_a_circle(repository: Repository) -> None:
    repository.replace(f"{MODULES}/catalog/module.toml", "[]", '["ordering"]')
    repository.replace(f"{ORDERING}/module.toml", "[]", '["billing"]')
    plant(repository, f"{MODULES}/catalog/service.py", "import app.modules.ordering")
    plant(repository, f"{ORDERING}/service.py", "import app.modules.billing")
    [said] = [each for each in refused(repository, "checks").splitlines() if ".py:" in each]
    assert "closes the circle billing → catalog → ordering → billing" in said
    assert "Turn one call into an event" in said


def test_every_violation_is_printed(repository: Repository) -> None:
    for file in ("service.py", "routes.py", "migrations/0002_x.py"):
        plant(
            repository, f"{BILLING}/{file}", "import app.main\nimport app.modules.catalog.service"
        )
    assert refused(repository, "checks").count(".py:") == 6


ASK = "Call app.modules.catalog, or add what is missing to its interface."
OWN = "The tables of billing stand in the schema billing."
ROLE = "Statements here run as billing already"
TEXT = "from sqlalchemy import text\n"
OP = "import sqlalchemy as sa\nfrom alembic import op\n"
NEXT = f"{BILLING}/migrations/0002_next.py"

SQL = {
    "a statement": Plant(
        f"{BILLING}/service.py", TEXT + 'text("SELECT * FROM catalog.items WHERE id = :id")', ASK
    ),
    "a quoted name": Plant(
        f"{BILLING}/service.py", TEXT + """text('DELETE FROM "catalog".items')""", ASK
    ),
    "a join": Plant(
        f"{BILLING}/service.py",
        TEXT + 'text("SELECT 1 FROM billing.invoices i JOIN Catalog.items c ON i.name = c.name")',
        ASK,
    ),
    "a subquery in a CTE": Plant(
        f"{BILLING}/service.py",
        TEXT + 'text("WITH x AS (SELECT id FROM catalog.items) SELECT * FROM x")',
        ASK,
    ),
    "a function": Plant(f"{BILLING}/service.py", TEXT + 'text("SELECT catalog.price(1)")', ASK),
    "a sequence in a string": Plant(
        f"{BILLING}/service.py", TEXT + """text("SELECT nextval('catalog.numbers')")""", ASK
    ),
    "a statement that is read as tokens": Plant(
        f"{BILLING}/service.py", TEXT + 'text("LOCK TABLE catalog.items")', ASK
    ),
    "a body": Plant(NEXT, OP + 'op.execute("DO $$ BEGIN DELETE FROM catalog.items; END $$")', ASK),
    "part of a statement": Plant(
        f"{BILLING}/service.py",
        TEXT + 'text("id IN (SELECT id FROM catalog.items)")',
        ASK,
    ),
    "a constant": Plant(
        f"{BILLING}/service.py", TEXT + 'Q = "SELECT * FROM " + "catalog.items"\ntext(Q)', ASK
    ),
    "an f-string, as far as it can be read": Plant(
        f"{BILLING}/service.py", TEXT + 'text(f"SELECT {1} FROM catalog.items")', ASK
    ),
    "several lines": Plant(
        f"{BILLING}/service.py",
        TEXT + 'text(\n    "SELECT *"  # first\n    " FROM catalog.items"\n)',
        ASK,
        at="first",
    ),
    "a renamed text()": Plant(
        f"{BILLING}/service.py",
        'from sqlalchemy import text as t\nt("SELECT * FROM catalog.items")',
        ASK,
    ),
    "exec_driver_sql": Plant(
        f"{BILLING}/service.py",
        'async def f(connection):\n    connection.exec_driver_sql("TRUNCATE catalog.items")',
        ASK,
    ),
    "the driver itself": Plant(
        f"{BILLING}/tests/test_service.py",
        'async def test(raw):\n    await raw.fetch("SELECT * FROM catalog.items")',
        ASK,
    ),
    "the tests at the root": Plant(
        "tests/test_application.py", TEXT + 'text("SELECT * FROM catalog.items")', ASK
    ),
    "a schema of nobody": Plant(
        f"{BILLING}/service.py", TEXT + 'text("SELECT * FROM public.invoices")', OWN
    ),
    "metadata": Plant(f"{BILLING}/tables.py", 'Other = MetaData(schema="catalog")', ASK),
    "metadata without a schema": Plant(
        f"{BILLING}/tables.py", "Other = MetaData()", 'Say schema="billing".'
    ),
    "a base without metadata": Plant(
        f"{BILLING}/tables.py", "class Other(DeclarativeBase): ...", 'Say schema="billing".'
    ),
    "a table": Plant(
        f"{BILLING}/tables.py",
        'from sqlalchemy import Table\nTable("items", Base.metadata, schema="catalog")',
        ASK,
    ),
    "__table_args__": Plant(
        f"{BILLING}/tables.py",
        'class Item(Base):\n    __table_args__ = ({"schema": "catalog"},)',
        ASK,
    ),
    "a foreign key": Plant(
        f"{BILLING}/tables.py",
        'from sqlalchemy import ForeignKey\nmapped_column(ForeignKey("catalog.items.id"))',
        ASK,
    ),
    "schema_translate_map": Plant(
        f"{BILLING}/service.py",
        "def f(tx):\n    tx.execute(1, execution_options=dict(schema_translate_map={}))",
        ROLE,
    ),
    "a migration of another schema": Plant(
        NEXT, OP + 'op.drop_table("items", schema="catalog")', ASK
    ),
    "a migration without a schema": Plant(
        NEXT, OP + 'op.add_column("invoices", sa.Column("x"))', 'Say schema="billing".'
    ),
    "a foreign key in a migration": Plant(
        NEXT, OP + 'sa.ForeignKeyConstraint(["a"], ["catalog.items.id"])', ASK
    ),
    "a foreign key added by a migration": Plant(
        NEXT,
        OP + 'op.create_foreign_key("x", "invoices", "items", ["a"], ["id"],\n'
        '    source_schema="billing", referent_schema="catalog")',
        ASK,
    ),
    "SQL in a migration": Plant(NEXT, OP + 'op.execute("UPDATE catalog.items SET name = 1")', ASK),
    "SET ROLE": Plant(f"{BILLING}/service.py", TEXT + 'text("SET ROLE catalog")', ROLE),
    "SET LOCAL ROLE in an f-string": Plant(
        f"{BILLING}/service.py", TEXT + """text(f'SET LOCAL ROLE "{1}"')""", ROLE
    ),
    "a second statement": Plant(
        f"{BILLING}/service.py", TEXT + 'text("SELECT 1; set /* */ role catalog")', ROLE
    ),
    "RESET ROLE": Plant(NEXT, OP + 'op.execute("RESET ROLE")', ROLE),
    "set_config": Plant(
        f"{BILLING}/service.py", TEXT + """text("SELECT set_config('role', 'x', true)")""", ROLE
    ),
    "SET SESSION AUTHORIZATION": Plant(
        f"{BILLING}/tests/test_service.py",
        TEXT + 'text("SET SESSION AUTHORIZATION catalog")',
        ROLE,
    ),
    "a role in main": Plant(
        "src/app/main.py", TEXT + 'text("SET ROLE catalog")', "Hand the statement to a module's"
    ),
    "search_path": Plant(
        f"{BILLING}/service.py", TEXT + 'text("SET search_path TO catalog")', ROLE
    ),
}


@pytest.mark.parametrize("planted", SQL.values(), ids=SQL)
def test_the_sql_wall_refuses(repository: Repository, planted: Plant) -> None:
    assert_refused(repository, planted)


def test_sql_that_cannot_be_read_is_counted(repository: Repository) -> None:
    plant(
        repository,
        f"{BILLING}/service.py",
        TEXT + 'def f(query: str) -> None:\n    text(query)\n    text(f"SELECT * FROM {query}")',
    )
    printed = repository.run(".venv/bin/python", "-m", "checks").stdout
    assert "4 statements could not be read; the roles guard those." in printed  # Two of tests/.


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (f"{BILLING}/service.py", "from app.modules import catalog\nx = catalog.Catalog"),
        (f"{BILLING}/service.py", "import app.modules.catalog\nx = app.modules.catalog.Catalog"),
        (f"{BILLING}/service.py", "from importlib.metadata import version"),
        (f"{BILLING}/service.py", "import sys\nx = sys.argv"),
        (f"{BILLING}/tests/test_service.py", "from app.modules.billing import service"),
        (f"{BILLING}/migrations/0002_x.py", "from app.modules.billing.tables import Base"),
        ("tests/test_application.py", "from app.modules.catalog import Catalog"),
        ("src/app/platform/http.py", "from importlib import import_module"),
        ("src/app/platform/http.py", TEXT + 'text("SET ROLE catalog")'),
        (f"{BILLING}/service.py", TEXT + 'text("SELECT * FROM billing.invoices")'),
        (f"{BILLING}/service.py", TEXT + 'text("SELECT * FROM pg_catalog.pg_class")'),
        (f"{BILLING}/service.py", TEXT + """text("INSERT INTO billing.x VALUES ('catalog.x')")"""),
        (f"{BILLING}/service.py", TEXT + 'text("UPDATE billing.x SET role = 1")'),
        (f"{BILLING}/service.py", TEXT + 'text("SELECT catalog.id FROM billing.x AS catalog")'),
        (
            f"{BILLING}/service.py",
            TEXT + 'text("SELECT catalog.n FROM (SELECT 1 AS n) AS catalog")',
        ),
        (f"{BILLING}/service.py", TEXT + 'text("now()")'),
        (f"{BILLING}/tables.py", 'x = ForeignKey("billing.invoices.id")'),
        (NEXT, OP + 'op.create_index("x", "invoices", ["name"], schema="billing")'),
    ],
)
def test_the_walls_let_pass(repository: Repository, file: str, text: str) -> None:
    plant(repository, file, text)
    done = repository.run(".venv/bin/python", "-m", "checks", check=False)
    assert done.returncode == 0, done.stdout


CATALOG = f"{MODULES}/catalog"
CALL = "return _invoice(row)"
"""The last line of `create_invoice`, before which billing calls catalog."""


@dataclass(frozen=True)
class Edit:
    """Text replaced in a file; mypy must complain of the line that holds `at`."""

    file: str
    old: str
    new: str
    says: str
    at: str
    where: str = ""


def drifted(old: str, new: str) -> Edit:
    """Change the implementation; mypy says so where it is given out as its interface."""
    at = "return CatalogService(db, events)"
    says = 'got "CatalogService", expected "Catalog"'
    return Edit(f"{CATALOG}/service.py", old, new, says, at, f"{CATALOG}/wiring.py")


def called(line: str, says: str) -> Edit:
    return Edit(f"{BILLING}/service.py", CALL, f"{line}\n        {CALL}", says, line)


def faked(body: str, says: str, at: str) -> Edit:
    """Write a fake of catalog for the tests of billing."""
    old = "from .. import Billing\n"
    new = f"""{old}
from app.modules.catalog import Catalog


class FakeCatalog(Catalog):
    {body}


FAKE = FakeCatalog()
"""
    return Edit(f"{BILLING}/tests/conftest.py", old, new, says, at)


TYPES = {
    "a method is gone": drifted("def get_item", "def fetch_item"),
    "another result": drifted("-> Item:", "-> Item | None:"),
    "another parameter": drifted("id: UUID", "id: int"),
    "one more parameter": drifted("id: UUID", "id: UUID, why: str"),
    "no longer async": drifted("async def get_item", "def get_item"),
    "tx dropped": drifted("        tx: Tx,\n", ""),
    "tx added": drifted("self, owner: str, id: UUID", "self, tx: Tx, owner: str, id: UUID"),
    "drift behind Any": Edit(
        f"{CATALOG}/wiring.py",
        "    return CatalogService(db, events)",
        "    import typing\n\n    service: typing.Any = CatalogService(db, events)\n    return service",
        'Returning Any from function declared to return "Catalog"',
        at="return service",
    ),
    "the wrong dependency": Edit(
        f"{BILLING}/wiring.py",
        "        catalog,\n",
        "        db,\n",
        'expected "Catalog"',
        at="        db,",
    ),
    "a wrong argument": called(
        'await self._catalog.get_item("me", "x")', 'has incompatible type "str"; expected "UUID"'
    ),
    "no such method": called("await self._catalog.steal()", '"Catalog" has no attribute "steal"'),
    "what is behind the interface": called("self._catalog._db", '"Catalog" has no attribute "_db"'),
    "a missing await": called("self._catalog.get_item(owner, row.id)", "must be used"),
    "tx missing": called(
        "await self._catalog.create_item(owner, name)", 'Missing positional argument "tx"'
    ),
    "tx superfluous": called(
        "await self._catalog.get_item(tx, owner, row.id)",
        'Too many arguments for "get_item" of "Catalog"',
    ),
    "a fake without the methods": faked(
        "pass", 'Cannot instantiate abstract class "FakeCatalog"', at="FAKE = FakeCatalog()"
    ),
    "a fake that drifted": faked(
        "async def get_item(self, owner: str, id: int) -> None: ...",
        'incompatible with supertype "app.modules.catalog.Catalog"',
        at="async def get_item(self, owner: str, id: int)",
    ),
    "tx taken out of the interface": Edit(
        f"{CATALOG}/__init__.py",
        "        tx: Tx,\n",
        "",
        'Too many arguments for "create_item" of "Catalog"',
        at="service.create_item(tx, caller.id, body.name)",
        where=f"{CATALOG}/routes.py",
    ),
}


@pytest.mark.parametrize("edit", TYPES.values(), ids=TYPES)
def test_the_types_refuse(repository: Repository, edit: Edit) -> None:
    repository.replace(edit.file, edit.old, edit.new)
    printed = refused(repository, "mypy")
    file = edit.where or edit.file
    line = line_of(repository, file, edit.at)
    said = [each for each in printed.splitlines() if each.startswith(f"{file}:{line}: error: ")]
    assert any(edit.says in each for each in said), printed


FLAG = """\
{
  "flags": {
    "new_way": {
      "state": "ENABLED",
      "variants": {"on": true, "off": false},
      "defaultVariant": "off",
      "targeting": {"fractional": [["on", 10], ["off", 90]]},
      "metadata": {"description": "Another way.", "expires": "2999-12-31"}
    }
  }
}"""
ASKED = "def asked(flags: Flags) -> bool:\n    return flags.is_on({!r}, user=1)"
IMPORTED = "from app.platform.flags import Flags"


def test_a_flag_that_is_asked_for_passes(repository: Repository) -> None:
    plant(repository, f"{BILLING}/flags.json", FLAG)
    plant(repository, f"{BILLING}/asking.py", f"{IMPORTED}\n{ASKED.format('new_way')}")
    repository.run(".venv/bin/python", "-m", "checks")


@pytest.mark.parametrize(
    ("old", "new", "at", "says"),
    [
        ("", "", '"new_way"', "nothing in billing asks `is_on('new_way', …)`. Take the flag out."),
        (
            '"fractional"',
            '"fraction"',
            "{",
            "new_way → targeting: has an operation that does not exist, 'fraction'",
        ),
        ('["on", 10]', '["yes", 10]', '"new_way"', "variant yes not in variants"),
        (', "expires": "2999-12-31"', "", "{", "metadata → expires: Field required."),
        ('"off": false},', '"off": false', "{", "billing/flags.json cannot be read as JSON"),
    ],
)
def test_a_flag_that_cannot_work_is_refused(
    repository: Repository, old: str, new: str, at: str, says: str
) -> None:
    file = f"{BILLING}/flags.json"
    plant(repository, file, FLAG.replace(old, new))
    printed = refused(repository, "checks")
    line = 1 if at == "{" else line_of(repository, file, at)
    said = [each for each in printed.splitlines() if each.startswith(f"{file}:{line}: ")]
    assert any(says in each for each in said), printed


def test_a_flag_that_nobody_defined_is_refused(repository: Repository) -> None:
    plant(repository, f"{BILLING}/asking.py", f"{IMPORTED}\n{ASKED.format('no_way')}")
    printed = refused(repository, "checks")
    assert (
        f"{BILLING}/asking.py:3: billing has no flag 'no_way', so that it is always off." in printed
    )


def test_an_expired_flag_is_a_warning_that_says_whose_it_is(repository: Repository) -> None:
    plant(repository, f"{BILLING}/flags.json", FLAG.replace("2999", "2020"))
    plant(repository, f"{BILLING}/asking.py", f"{IMPORTED}\n{ASKED.format('new_way')}")
    printed = repository.run(".venv/bin/python", "-m", "checks").stdout
    assert (
        f"Only a warning: {BILLING}/flags.json:3: new_way of @acme/team expired on 2020-12-31."
        in printed
    )
