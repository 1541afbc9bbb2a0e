"""How much is logged: of everything, of one module, of one logger; also while the process runs."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from app.platform.settings import Level, MODULES, parse_levels
from app.platform.telemetry.sql_text import without_values

logger = logging.getLogger("app.logs")

_OURS = ("app", "uvicorn")
"""What LOG_LEVEL speaks of. Libraries say only what is wrong, unless they are named: of some, more
would be whole URLs."""
_STATEMENTS = "sqlalchemy.engine.Engine"
_PAUSE = 1.0
"""Seconds between two looks at the file."""


class LogLevels:
    """The levels that hold: LOG_LEVEL, but for what LOG_LEVELS names, but for what its file names.

    Where there are people's data, libraries say nothing below info, at which SQLAlchemy logs
    statements without values; at debug it logs rows.
    """

    def __init__(
        self, level: Level, levels: str, file: Path | None, *, is_development: bool = False
    ) -> None:
        self._default = dict.fromkeys(_OURS, level) | parse_levels(levels)
        self._file = file
        self._is_development = is_development
        self._read = ""
        self._unreadable = ""
        self._set: Mapping[str, str] = {}
        self._apply({})

    def look(self) -> None:
        """Let hold what the file says now. A file that is gone says nothing; one that is broken is
        logged, and what held before stays."""
        if self._file is None:
            return
        try:
            text = self._file.read_text("utf-8")
        except FileNotFoundError:
            text = ""
        except (OSError, UnicodeDecodeError) as error:
            if str(error) != self._unreadable:
                self._unreadable = str(error)
                said = "The levels stay as they were: %s cannot be read: %s"
                logger.error(said, self._file, error)
            return
        self._unreadable = ""
        if text == self._read:
            return
        self._read = text
        try:
            self._apply(parse_levels(text))
        except ValueError as error:
            logger.error("The levels stay as they were: in %s, %s.", self._file, error)
        else:
            logger.info("The levels are now: %s.", ", ".join(map("=".join, self._set.items())))

    @asynccontextmanager
    async def watched(self, modules: Collection[str]) -> AsyncIterator[None]:
        """Look at the file now and then while the block lasts; warn of names that nobody has."""
        named = {name for name in self._set if name.startswith(MODULES)}
        for name in sorted(named - {MODULES + each for each in modules}):
            if name.count(".") == 2:
                short = name.removeprefix(MODULES)
                logger.warning("LOG_LEVELS names %s, and there is no module %s.", short, short)
        task = asyncio.create_task(self._keep_looking())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _keep_looking(self) -> None:
        while self._file is not None:
            self.look()
            await asyncio.sleep(_PAUSE)

    def _apply(self, levels: Mapping[str, str]) -> None:
        levels = {**self._default, **levels}
        for name in self._set.keys() - levels.keys():
            logging.getLogger(name).setLevel(logging.NOTSET)
        quiet = [] if self._is_development else sorted(filter(_is_too_much, levels.items()))
        levels |= dict.fromkeys((name for name, _ in quiet), "info")
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level.upper())
        statements = logging.getLogger(_STATEMENTS)
        (statements.removeFilter if self._is_development else statements.addFilter)(_withhold)
        for name, level in quiet:
            said = "%s=%s holds in development only, since libraries log data there: it is info."
            logger.warning(said, name, level)
        self._set = levels


def _withhold(record: logging.LogRecord) -> bool:
    """Take out of a statement what its module wrote into it, and what it is sent with."""
    record.msg, record.args = without_values(record.getMessage()), ()
    return True


def _is_too_much(named: tuple[str, str]) -> bool:
    name, level = named
    return level == "debug" and name.partition(".")[0] not in _OURS
