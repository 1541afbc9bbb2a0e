"""Where OpenFeature finds the flags: in the files of the modules, evaluated by flagd's rules."""

import logging
import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol

from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import GeneralError, OpenFeatureError, TypeMismatchError
from openfeature.flag_evaluation import FlagResolutionDetails
from openfeature.provider import AbstractProvider, Metadata

from app.platform.flags.files import FILE, Flag, FlagsError, read_flags, read_overrides
from app.platform.flags.operators import USER, with_items_checked

logger = logging.getLogger("app.flags")

_PAUSE = 1.0
"""Seconds for which the files are taken to be as they were."""

_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)
"""What the evaluator logs while it evaluates a flag, whose name it does not say."""


class Folder(Protocol):
    """A module's folder, and whose it is."""

    @property
    def path(self) -> Path: ...

    @property
    def owner(self) -> str: ...

    @property
    def former(self) -> str | None:
        """What it was called, while the release before may run."""


class FlagFiles(AbstractProvider):
    """The flags of every module, read anew when a file has changed."""

    def __init__(self, folders: Sequence[Folder], overrides: Path | None = None) -> None:
        """Read the files of the modules, and the one that overrides what they say.

        Raises FlagsError; a file that is broken later is logged, and what was read before stays.
        """
        self._folders = folders
        self._overrides = overrides
        self._core = FlagdCore()
        evaluator = logging.getLogger("openfeature.contrib")
        evaluator.setLevel(logging.DEBUG)  # At which it tells of values of the wrong kind.
        evaluator.addFilter(_hear)
        self.flags: Mapping[str, Flag] = {}
        """By key."""
        self._looked = time.monotonic()
        self._seen = self._look()
        self._read()

    def get_metadata(self) -> Metadata:
        return Metadata(name="files")

    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        core = self._current()
        self._check_told(flag_key, evaluation_context or EvaluationContext())
        heard: list[str] = []
        token = _heard.set(heard)
        try:
            answer = core.resolve_boolean_value(flag_key, default_value, evaluation_context)
        except OpenFeatureError:
            raise
        except Exception as error:  # A rule may even divide by what it is told.
            raise GeneralError(f"its targeting does not work: {error}") from error
        finally:
            _heard.reset(token)
        if heard:
            raise GeneralError(f"its targeting does not work: {heard[0]}")
        return answer

    def _check_told(self, key: str, about: EvaluationContext) -> None:
        """Raise GeneralError where a flag's targeting speaks of what nothing was said of."""
        if (flag := self.flags.get(key)) is None or not flag.needs:
            return
        told = {USER: about.targeting_key, **about.attributes}
        if missing := sorted(each for each in flag.needs if told.get(each) is None):
            raise GeneralError(f"its targeting speaks of {', '.join(missing)}, the call does not")

    def _refuse(
        self, flag_key: str, default_value: Any, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[Any]:
        raise TypeMismatchError(f"{flag_key} is on or off: ask whether it is.")

    resolve_string_details = resolve_integer_details = _refuse
    resolve_float_details = resolve_object_details = _refuse

    def _current(self) -> FlagdCore:
        """Return what evaluates the flags, as the files are now or were a moment ago."""
        now = time.monotonic()
        if now - self._looked >= _PAUSE:
            self._looked = now
            seen = self._look()
            if seen != self._seen:
                self._seen = seen
                try:
                    self._read()
                except FlagsError as error:
                    logger.error("The flags stay as they were: %s", error)
        return self._core

    def _look(self) -> list[tuple[int, int, int] | None]:
        files = [folder.path / FILE for folder in self._folders]
        return [_state(file) for file in (*files, self._overrides) if file]

    def _read(self) -> None:
        flags = {
            flag.key: flag
            for folder in self._folders
            for flag in read_flags(folder.path, folder.owner)
        }
        if self._overrides is not None:
            former = {each.former: each.path.name for each in self._folders if each.former}
            flags = read_overrides(self._overrides, flags, former)
        # A copy, because the evaluator changes what it is given.
        self._core.set_flags({"flags": {key: _definition(each) for key, each in flags.items()}})
        self.flags = flags


def _definition(flag: Flag) -> dict[str, Any]:
    rule = flag.definition.get("targeting")
    return {**flag.definition, **({"targeting": with_items_checked(rule)} if rule else {})}


def _hear(record: logging.LogRecord) -> bool:
    heard = _heard.get()
    if heard is not None:
        heard.append(record.getMessage())
    return heard is None and record.levelno >= logging.WARNING


def _state(file: Path) -> tuple[int, int, int] | None:
    """Return what differs once a file is written, or another put in its place."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
