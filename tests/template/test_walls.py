"""Planted violations: each is a small change to one repository that a wall must refuse.

The repository has catalog and ordering, which know nobody, and billing, which depends on catalog.
What touches SQL is in `test_sql_wall.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from generated import UV, Generate, Repository
from plants import BILLING, MODULES, ORDERING, Garden, Plant

PRIVATE = "Import from app.modules.catalog, or add what is missing to its interface."


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
    """Put the text at the end of a file that there is."""
    plant(repository, planted.file, planted.text)
    printed = refused(repository, "checks")
    line = line_of(repository, planted.file, planted.at or planted.text.splitlines()[-1])
    [said] = [each for each in printed.splitlines() if each.startswith(f"{planted.file}:{line}: ")]
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
    "a script": Plant("scripts/fix.py", "from app.modules.catalog.tables import Base", PRIVATE),
    "main": Plant("src/app/main.py", "from app.modules.catalog.wiring import module", PRIVATE),
    "cli": Plant("src/app/cli.py", "from app.modules.catalog.routes import routes", PRIVATE),
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
        "src/app/platform/web/http.py",
        "from app.modules.catalog import Catalog",
        "Let main or the module pass in what is needed.",
    ),
    "platform imports modules": Plant(
        "src/app/platform/web/http.py",
        "from app import modules",
        "Let main or the module pass in what is needed.",
    ),
    "platform imports main": Plant(
        "src/app/platform/web/http.py",
        "def lazy():\n    from app.main import create_app",
        "Let main or the module pass in what is needed.",
    ),
    "platform imports cli": Plant(
        "src/app/platform/web/http.py",
        "import app.cli",
        "Let main or the module pass in what is needed.",
    ),
    "a module imports what only developers have": Plant(
        f"{BILLING}/service.py",
        "from app.development.issuer import DevelopmentIssuer",
        "Take what you need as a parameter",
    ),
    "platform imports what only developers have": Plant(
        "src/app/platform/web/http.py",
        "from app.development.issuer import DevelopmentIssuer",
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
    "a file beside the modules": Plant(
        f"{MODULES}/helpers.py",
        '"""Helpers."""',
        "Move it into a module's folder or to app.platform.",
    ),
}

IN_PLACE = {
    "main imports what only developers have": Plant(
        "src/app/main.py",
        "from app.development.issuer import DevelopmentIssuer",
        "which is not there in production",
    ),
    "conftest at the root": Plant(
        "conftest.py", "walked = modules.catalog.service.CatalogService", PRIVATE
    ),
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
    "a module without module.toml": Plant(
        f"{MODULES}/shipping/__init__.py", '"""Shipping."""', "Write one with `owner` and"
    ),
}

TAKE = "whose interface does not define it"
HAND = "on as a value, so that nobody sees what is taken from it"
NOBODY_SEES = "which can import what no check sees"
IMPORT_CATALOG = "from app.modules import catalog\n"

TAKEN = {
    "getattr": Plant(
        f"{BILLING}/service.py", IMPORT_CATALOG + 'x = getattr(catalog, "service")', PRIVATE
    ),
    "getattr, whatever comments say": Plant(
        f"{BILLING}/service.py",
        IMPORT_CATALOG
        + 'x = getattr(catalog, "tables")  # noqa: B009  # type: ignore  # pyright: ignore',
        PRIVATE,
    ),
    "getattr of a name that is a variable": Plant(
        f"{BILLING}/service.py",
        IMPORT_CATALOG + "def f(name):\n    return getattr(catalog, name)",
        HAND,
    ),
    "vars": Plant(f"{BILLING}/service.py", IMPORT_CATALOG + 'x = vars(catalog)["service"]', TAKE),
    "__dict__": Plant(
        f"{BILLING}/service.py", IMPORT_CATALOG + 'x = catalog.__dict__["service"]', TAKE
    ),
    "attrgetter": Plant(
        f"{BILLING}/service.py",
        "from operator import attrgetter\n" + IMPORT_CATALOG + 'x = attrgetter("service")(catalog)',
        HAND,
    ),
    "hasattr": Plant(
        f"{BILLING}/service.py", IMPORT_CATALOG + 'x = hasattr(catalog, "service")', HAND
    ),
    "inspect": Plant(
        f"{BILLING}/service.py",
        "import inspect\n" + IMPORT_CATALOG + "x = inspect.getmembers(catalog)",
        HAND,
    ),
    "another name for a package": Plant(
        f"{BILLING}/service.py", "import app.modules.catalog as c\nother = c", HAND
    ),
    "a package behind another name": Plant(
        f"{BILLING}/service.py", "from app.modules import catalog as c\nx = c.service", PRIVATE
    ),
    "a package in a list": Plant(
        f"{BILLING}/service.py", IMPORT_CATALOG + "x = [catalog][0].service", HAND
    ),
    "a package from the top": Plant(
        f"{BILLING}/service.py",
        'import app.modules.catalog\nx = getattr(app, "modules").catalog.tables',
        PRIVATE,
    ),
    "all modules, handed on by main": Plant(
        "src/app/main.py", "from app import modules\nx = vars(modules)", "hands app.modules on"
    ),
    "a name that a package only imports": Plant(
        f"{BILLING}/service.py", "from app.modules.catalog import Tx", TAKE
    ),
    "a name of a package that is private": Plant(
        f"{BILLING}/service.py", "from app.modules.catalog import _secret", TAKE
    ),
    "a name with a colon": Plant(
        f"{BILLING}/service.py", 'x = "app.modules.catalog.service:CatalogService"', PRIVATE
    ),
    "a name put together": Plant(
        f"{BILLING}/service.py", 'x = "app.modules." + "catalog.service"', PRIVATE
    ),
    "a name put together of what is elsewhere": Plant(
        f"{BILLING}/tests/test_service.py",
        'MODULE = "catalog"\ndef test(mocker):\n    mocker.patch(f"app.modules.{MODULE}.service.X")',
        PRIVATE,
    ),
    "patch": Plant(
        f"{BILLING}/tests/test_service.py",
        'from unittest.mock import patch\n@patch("app.modules.catalog.service.CatalogService")\ndef test(): ...',
        PRIVATE,
        at="@patch",
    ),
    "patch.object": Plant(
        f"{BILLING}/tests/test_service.py",
        "from unittest.mock import patch\n" + IMPORT_CATALOG + 'patch.object(catalog, "service")',
        HAND,
    ),
    "importorskip": Plant(
        f"{BILLING}/tests/test_service.py",
        'import pytest\nx = pytest.importorskip("app.modules.catalog.tables")',
        PRIVATE,
    ),
    "imports of Python 3.15 that wait": Plant(
        f"{BILLING}/service.py", '__lazy_modules__ = ["app.modules.catalog.service"]', PRIVATE
    ),
    "sys.modules by another name": Plant(
        f"{BILLING}/service.py", "from sys import modules", NOBODY_SEES
    ),
    "sys.modules by getattr": Plant(
        f"{BILLING}/service.py", 'import sys\nx = getattr(sys, "modules")', NOBODY_SEES
    ),
    "sys by vars": Plant(
        f"{BILLING}/service.py", 'import sys\nx = vars(sys)["modules"]', NOBODY_SEES
    ),
    "the globals of a method": Plant(
        f"{BILLING}/service.py",
        "from app.modules.catalog import Catalog\nx = Catalog.get_item.__globals__",
        NOBODY_SEES,
    ),
    **{
        f"globals by {code}": Plant(
            f"{BILLING}/service.py",
            f"from operator import attrgetter\nfrom app.modules.catalog import Catalog\nx = {code}",
            NOBODY_SEES,
        )
        for code in (
            'getattr(Catalog.get_item, "__globals__")',
            'getattr(Catalog.get_item, "__glo" + "bals__")',
            'attrgetter("get_item.__globals__")(Catalog)',
            'object.__getattribute__(Catalog.get_item, "__builtins__")',
            "Catalog.get_item.__builtins__",
        )
    },
    "what documents": Plant(
        f"{BILLING}/service.py",
        'import pydoc\nx = pydoc.locate("a" + str(1))',
        NOBODY_SEES,
        "import",
    ),
    "a type that imports": Plant(
        f"{BILLING}/service.py", "import pydantic\nx = pydantic.ImportString", NOBODY_SEES
    ),
    "the module of a class": Plant(
        f"{BILLING}/service.py", "import inspect\nx = inspect.getmodule(object)", NOBODY_SEES
    ),
    "the loader of a file": Plant(f"{BILLING}/service.py", "x = __loader__", NOBODY_SEES),
    "into a folder that is no package": Plant(
        f"{BILLING}/service.py", "from app.modules.catalog.helpers.walk import x", PRIVATE
    ),
}

OWN = "which is the platform's own."
PAST = "past the platform: no role is set there"
BEHIND = "behind what the platform hands out"
TX = "from app.platform.database import Database, Tx\n"

FACES = {
    "an engine": Plant(
        f"{BILLING}/service.py",
        "from app.platform.database import create_engine",
        "app.platform.database has for modules: BoundaryError,",
    ),
    "passwords": Plant(
        f"{BILLING}/service.py",
        "import app.platform.database.credentials",
        "app.platform.database has for modules: BoundaryError, Database, NAMING,",
    ),
    "the queue": Plant(
        f"{BILLING}/jobs.py",
        "from app.platform.jobs import queue",
        "app.platform.jobs has for modules: Delivery, Event, Events, job.",
    ),
    "the queue, in a test": Plant(
        f"{BILLING}/tests/test_jobs.py", "from app.platform.jobs.queue import connect_queue", OWN
    ),
    "roles, in a migration": Plant(
        f"{BILLING}/migrations/0002_x.py", "from app.platform.database.roles import owner_of", OWN
    ),
    "a local server": Plant(
        f"{BILLING}/service.py",
        "from app.development.local_postgres import local_postgres",
        "which stands above the modules",
    ),
    "what a face imports": Plant(
        f"{BILLING}/service.py", "from app.platform.database import fetch", OWN
    ),
    "what a face keeps to itself": Plant(
        f"{BILLING}/service.py", "from app.platform.database.database import _current", OWN
    ),
    "what a face has for others": Plant(
        f"{BILLING}/service.py", "from app.platform.database import opening", OWN
    ),
    "what only tests may use": Plant(
        f"{BILLING}/service.py", "from app.platform.wiring import wire", OWN
    ),
    "an attribute walk": Plant(
        f"{BILLING}/service.py",
        "import app.platform.database\nx = app.platform.database.transaction",
        OWN,
    ),
    "a face as a value": Plant(
        f"{BILLING}/service.py", "from app.platform import jobs\nx = vars(jobs)", OWN
    ),
    "a face handed on": Plant(
        f"{BILLING}/service.py", "from app.platform import jobs\nx = [jobs]", HAND
    ),
    "the platform as a whole": Plant(
        f"{BILLING}/service.py", "from app import platform", "as a whole."
    ),
    "a name in a string, of the platform": Plant(
        f"{BILLING}/tests/test_service.py",
        'def test(monkeypatch):\n    monkeypatch.setattr("app.platform.database.engine.create_engine", 1)',
        OWN,
    ),
    "an engine of one's own": Plant(
        f"{BILLING}/service.py", "from sqlalchemy.ext.asyncio import create_async_engine", PAST
    ),
    "a session of one's own": Plant(
        f"{BILLING}/service.py", "from sqlalchemy.orm import sessionmaker", PAST
    ),
    "the session of a row": Plant(
        f"{BILLING}/service.py", "import sqlalchemy.orm\nx = sqlalchemy.orm.object_session", PAST
    ),
    "the driver": Plant(f"{BILLING}/service.py", "import asyncpg", PAST),
    "another driver": Plant(f"{BILLING}/service.py", "from psycopg import connect", PAST),
    "the driver's connection": Plant(
        f"{BILLING}/service.py",
        TX + "async def f(tx: Tx):\n    await (await tx.connection()).get_raw_connection()",
        BEHIND,
    ),
    "the engine of a transaction": Plant(
        f"{BILLING}/service.py", TX + "def f(given: Tx):\n    given.bind", BEHIND
    ),
    "the connection of a transaction that is opened here": Plant(
        f"{BILLING}/service.py",
        "async def f(x):\n    async with x.transaction() as opened:\n        opened.connection()",
        BEHIND,
    ),
    "another module's view": Plant(
        f"{BILLING}/service.py", TX + 'def f(t: Tx):\n    t._of("catalog")', BEHIND
    ),
    "another module's view, by getattr": Plant(
        f"{BILLING}/service.py", TX + 'def f(t: Tx):\n    getattr(t, "_of")("catalog")', BEHIND
    ),
    "another module's view, by another name": Plant(
        f"{BILLING}/service.py",
        TX + 'def f(t: Tx):\n    other = t\n    other._transaction.view("catalog")',
        BEHIND,
    ),
    "the engine of a database": Plant(
        f"{BILLING}/service.py",
        TX + "class S:\n    def __init__(self, given: Database):\n        self._given = given\n"
        "    def f(self):\n        self._given._engine",
        BEHIND,
    ),
    "the insides of a transaction": Plant(
        f"{BILLING}/service.py", TX + "def f(t: Tx):\n    vars(t)", BEHIND
    ),
    "COPY by the driver": Plant(
        f"{BILLING}/service.py",
        'async def f(x):\n    await x.copy_records_to_table("items", schema_name="billing")',
        BEHIND,
    ),
    "the session under a transaction": Plant(
        f"{BILLING}/service.py", TX + "def f(t: Tx):\n    t.sync_session", BEHIND
    ),
}

HONEST = {
    "a package": Plant(f"{BILLING}/service.py", IMPORT_CATALOG + "x = catalog.Catalog"),
    "a package in full": Plant(
        f"{BILLING}/service.py", "import app.modules.catalog\nx = app.modules.catalog.Catalog"
    ),
    "a variable of the name of a package": Plant(
        f"{BILLING}/service.py",
        IMPORT_CATALOG + "def f(catalog: object) -> object:\n    return [catalog.service, catalog]",
    ),
    "the name of a logger": Plant(
        "src/app/main.py", 'import logging\nlogging.getLogger("app.modules.catalog.service")'
    ),
    "versions": Plant(f"{BILLING}/service.py", "from importlib.metadata import version"),
    "sys": Plant(f"{BILLING}/service.py", "import sys\nx = sys.argv, [sys]"),
    "a module's own files": Plant(
        f"{BILLING}/tests/test_service.py",
        "from app.modules.billing import service\nx = [service], getattr(service, 'x')",
    ),
    "a module's own tables, in a migration": Plant(
        f"{BILLING}/migrations/0002_x.py", "from app.modules.billing.tables import Base"
    ),
    "packages, in the tests at the root": Plant(
        "tests/test_application.py", "from app.modules.catalog import Catalog"
    ),
    "importlib in the platform": Plant(
        "src/app/platform/web/http.py", "from importlib import import_module"
    ),
    "everything of the platform, in main": Plant(
        "src/app/main.py",
        "from app import modules\nfrom app.platform import database\n"
        "from app.platform.wiring import discover\nx = discover(modules), database.create_engine",
    ),
    "where an error came from, told by the command line": Plant(
        "src/app/cli.py", "def f(frame):\n    return frame.f_globals"
    ),
    "every face": Plant(
        f"{BILLING}/service.py",
        "from app.platform.auth import Caller\nfrom app.platform.cache import Cache\n"
        "from app.platform.database import Prepared, Reading, TransactionError\n"
        "from app.platform.flags import Flags\nfrom app.platform.jobs import Delivery, job\n"
        "from app.platform.telemetry import span\n"
        "import app.platform.database\nx = app.platform.database.Database",
    ),
    "what tests are wired from": Plant(
        f"{BILLING}/tests/test_service.py",
        "from sqlalchemy.ext.asyncio import AsyncEngine\nfrom app.platform.settings import Settings\n"
        "from app.platform.wiring import ModuleFolder, wire, Wired",
    ),
    "what is private to the module": Plant(
        f"{BILLING}/service.py",
        TX + "class S:\n    def __init__(self, db: Database):\n        self._db = db\n"
        "    def f(self, other: 'S', row):\n        return other._db, row._asdict(), self._db.read",
    ),
    "what looks like the driver's and is not": Plant(
        f"{BILLING}/service.py",
        "from anyio import to_thread\nasync def f(car):\n"
        "    await to_thread.run_sync(print)\n    car.engine.start(), car.connection, car.bind()",
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


@pytest.fixture(scope="module")
def garden(walled: Repository) -> Iterator[Garden]:
    plant(walled, f"{MODULES}/catalog/helpers/walk.py", "x = 1")
    yield Garden(walled, IMPORTS | TAKEN | FACES | HONEST, "checks", "boundaries")
    walled.git("clean", "-dfq")


@pytest.mark.parametrize("name", IMPORTS | TAKEN | FACES)
def test_the_import_graph_refuses(garden: Garden, name: str) -> None:
    garden.assert_refused(name)


@pytest.mark.parametrize("name", HONEST)
def test_the_import_graph_lets_pass(garden: Garden, name: str) -> None:
    assert garden.said_of(name) == []


@pytest.mark.parametrize("planted", IN_PLACE.values(), ids=IN_PLACE)
def test_the_import_graph_refuses_in_files_of_one_purpose(
    repository: Repository, planted: Plant
) -> None:
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


def test_the_import_graph_refuses_a_folder_that_is_a_link(repository: Repository) -> None:
    for link, target in ((f"{MODULES}/shadow", "catalog"), (f"{BILLING}/helpers", "../catalog")):
        (repository.path / link).symlink_to(target)
        printed = refused(repository, "checks", "boundaries")
        assert f"{link}:1: is a link, behind which no check reads." in printed
        (repository.path / link).unlink()


def test_the_import_graph_refuses_a_circle(repository: Repository) -> None:
    repository.replace(f"{MODULES}/catalog/module.toml", "[]", '["ordering"]')
    repository.replace(f"{ORDERING}/module.toml", "[]", '["billing"]')
    plant(repository, f"{MODULES}/catalog/service.py", "import app.modules.ordering")
    plant(repository, f"{ORDERING}/service.py", "import app.modules.billing")
    [said] = [each for each in refused(repository, "checks").splitlines() if ".py:" in each]
    assert "closes the circle billing → catalog → ordering → billing" in said
    assert "Turn one call into an event" in said


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        (
            "src/app/platform/telemetry/logs.py",
            "def above():\n    from app.platform.web import create_api\n    return create_api",
            "Rooms of the platform import those below them BROKEN",
        ),
        (
            "src/app/main.py",
            "from app.platform.database.engine import Pool",
            "database is entered by its face BROKEN",
        ),
        (
            f"{BILLING}/service.py",
            "from app.platform.database.engine import Pool",
            "database is entered by its face BROKEN",
        ),
        ("src/app/platform/attic/x.py", "x = 1", "Rooms of the platform import those below them"),
    ],
)
def test_a_room_of_the_platform_is_entered_by_its_face_from_above(
    repository: Repository, file: str, line: str, broken: str
) -> None:
    plant(repository, file, line)
    if file.startswith("src/app/platform/attic"):
        plant(repository, "src/app/platform/attic/__init__.py", "")
    assert broken in refused(repository, "checks", "boundaries")


def test_every_violation_is_printed(repository: Repository) -> None:
    for file in ("service.py", "routes.py", "migrations/0002_x.py"):
        plant(
            repository, f"{BILLING}/{file}", "import app.main\nimport app.modules.catalog.service"
        )
    assert refused(repository, "checks").count(".py:") == 6


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


BY_AGE = FLAG.replace(
    '{"fractional": [["on", 10], ["off", 90]]}',
    '{"if": [{"or": [{"<": [{"var": "age"}, 18]}, {"==": [{"var": ["plan", ""]}, "new"]}]}, "on", "off"]}',
)


@pytest.mark.parametrize(
    ("flag", "call", "missing"),
    [
        (BY_AGE, "is_on('new_way', user=1)", "age"),
        (BY_AGE, "is_on('new_way', user=1, plan='new', agee=1)", "age"),
        (BY_AGE, "is_on('new_way', age=None)", "age"),
        (BY_AGE, "is_on('new_way', age=1)", ""),
        (BY_AGE, "is_on('new_way', **{'age': 1})", ""),
        (FLAG, "is_on('new_way')", "user"),
        (FLAG, "is_on('new_way', None)", "user"),
        (FLAG, "is_on('new_way', 'ada')", ""),
    ],
)
def test_a_call_says_what_the_flag_s_targeting_speaks_of(
    repository: Repository, flag: str, call: str, missing: str
) -> None:
    plant(repository, f"{BILLING}/flags.json", flag)
    asks = f"{IMPORTED}\ndef asked(flags: Flags) -> bool:\n    return flags.{call}"
    plant(repository, f"{BILLING}/asking.py", asks)
    done = repository.run(".venv/bin/python", "-m", "checks", check=not missing)
    said = f"{BILLING}/asking.py:3: asks for 'new_way' without {missing}, of which its targeting"
    assert (said in done.stdout) == bool(missing), done.stdout


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
