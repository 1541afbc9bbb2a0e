"""`app shell`: a prompt in the wired application, at which `await` stands alone."""

import ast
import asyncio
import inspect
import sys
from code import InteractiveConsole
from contextlib import suppress
from types import CodeType, FunctionType

from app.development.wired import Application, application
from app.platform.database import Database
from app.platform.settings import Settings

_BANNER = """\
{names}: the modules, as others see them; wired[Interface] has them too.
db["{first}"].transaction(), and .read(): the database under a module's role, for instance
async with db["{first}"].read() as reading: (await reading.execute(text("SELECT 1"))).all()"""


class _Prompt(InteractiveConsole):
    """Runs what awaits on the loop of the application; Ctrl-C cancels it."""

    def __init__(self, names: dict[str, object], runner: asyncio.Runner) -> None:
        super().__init__(names)
        self._runner = runner
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT

    def runcode(self, code: CodeType) -> None:
        """Run a statement; what it raises is shown."""
        try:
            made = FunctionType(code, self.locals)()
            if inspect.iscoroutine(made):
                self._runner.run(made)
        except SystemExit:
            raise
        except BaseException:
            self.showtraceback()


def run_shell(settings: Settings) -> None:
    """Read and run statements until the end of the input."""
    with suppress(ImportError):
        import readline  # noqa: F401 It edits lines.
    with asyncio.Runner() as runner:
        wiring = application(settings, "app shell")
        here = runner.run(wiring.__aenter__())
        try:
            names = _names(here)
            banner = _BANNER.format(
                names=", ".join(each.name for each in here.folders), first=here.folders[0].name
            )
            _Prompt(names, runner).interact(banner if sys.stdin.isatty() else "", exitmsg="")
        finally:
            runner.run(wiring.__aexit__(None, None, None))


def _names(here: Application) -> dict[str, object]:
    from sqlalchemy import select, text

    modules: dict[str, object] = {each.name: here.wired[each.interface] for each in here.folders}
    databases = {each.name: Database(here.engine, each.name) for each in here.folders}
    own = {"wired": here.wired, "db": databases, "text": text, "select": select}
    return {**modules, **own, "__name__": "__console__"}
