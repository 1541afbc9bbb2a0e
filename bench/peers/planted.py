"""Violations of a module's walls, as one may write them: a common set, each in one file.

The repository has m0 and m1, which know nobody, and m2, which depends on m1. `%` stands where a
tool wants an underscore before what is internal.
"""

from dataclasses import dataclass

M1, M2 = "src/app/modules/m1", "src/app/modules/m2"
SERVICE, TABLES, TESTS = f"{M2}/%service.py", f"{M2}/%tables.py", f"{M2}/tests/test_service.py"
WALK = "from app.modules.m1 import %tables"


@dataclass(frozen=True)
class Plant:
    name: str
    file: str
    text: str


IMPORTS = [
    Plant("an internal's name", SERVICE, "from app.modules.m1.%service import M1Service"),
    Plant("an internal", SERVICE, "import app.modules.m1.%service"),
    Plant("an internal, from its package", SERVICE, "from app.modules.m1 import %service"),
    Plant("relative", SERVICE, "from ..m1.%service import M1Service"),
    Plant("relative, from its package", SERVICE, "from ..m1 import %tables"),
    Plant("in a function", SERVICE, "def lazy():\n    from app.modules.m1 import %service"),
    Plant("everything of an internal", SERVICE, "from app.modules.m1.%service import *"),
    Plant(
        "for type checkers only",
        SERVICE,
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from app.modules.m1.%service import M1Service",
    ),
    Plant(
        "with comments that switch checks off",
        SERVICE,
        "# tach-ignore\n"
        "import app.modules.m1.%service  # noqa  # tach-ignore  # import-linter: ignore",
    ),
    Plant(
        "by importlib",
        SERVICE,
        "import importlib\nimportlib.import_module('app.modules.m1.%service')",
    ),
    Plant("an attribute of a package", SERVICE, "from app.modules import m1\nwalked = m1.%service"),
    Plant(
        "a name in a string",
        TESTS,
        "def test(monkeypatch):\n    monkeypatch.setattr('app.modules.m1.%service.x', 1)",
    ),
    Plant(
        "in a module's tests", f"{M2}/tests/test_service.py", "from app.modules.m1 import %tables"
    ),
    Plant(
        "in a folder that is no package", f"{M2}/more/walk.py", "from app.modules.m1 import %tables"
    ),
    Plant(
        "in the tests at the root",
        "tests/test_application.py",
        "from app.modules.m1 import %tables",
    ),
    Plant("in main", "src/app/main.py", "from app.modules.m1 import %service"),
]
GRAPH = [
    Plant("a module that is not declared", SERVICE, "from app.modules.m0 import M0"),
    Plant("a circle of two modules", f"{M1}/%service.py", "from app.modules.m2 import M2"),
    Plant("a declaration that nothing uses", "DECLARATION", "m0"),
    Plant(
        "the platform knows a module",
        "src/app/platform/errors.py",
        "def f():\n    from app.modules.m1 import M1",
    ),
    Plant("a module without a declaration", "src/app/modules/m3/__init__.py", '"""M3."""'),
]
DATABASE = [
    Plant(
        "another module's table, in SQL",
        SERVICE,
        "from sqlalchemy import text\nread = text('SELECT id FROM m1.items')",
    ),
    Plant(
        "a foreign key to another module's table",
        TABLES,
        "from sqlalchemy import Column, ForeignKey\nkey = Column(ForeignKey('m1.items.id'))",
    ),
    Plant(
        "a migration of another module's table",
        f"{M2}/migrations/29990101000000_x.py",
        "from alembic import op\ndef upgrade():\n    op.execute('DROP TABLE m1.items')",
    ),
]
PLANTS = {"imports": IMPORTS, "dependencies": GRAPH, "SQL": DATABASE}
