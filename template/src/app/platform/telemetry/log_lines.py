"""How a line of the log is written: as JSON, or for the eye.

On the path of whoever logs, so it is kept short. In a thread it would take as long, from the same
interpreter, and in the middle of somebody's request.
"""

import logging
from collections.abc import Callable, Mapping, MutableMapping
from datetime import datetime, UTC
from typing import Any

from pydantic_core import to_json

from app.platform.telemetry.redaction import stacktrace_of, text_of, without_secrets

EventDict = MutableMapping[str, Any]
Render = Callable[[EventDict], str]

_BLANK = vars(logging.makeLogRecord({}))
_NOT_EXTRA = {
    *_BLANK,
    *("asctime", "context", "fields", "message", "taskName", "_logger", "_name", "color_message"),
}
"""What a record holds that nobody gave as `extra`."""
_OURS = frozenset(("module", "request_id", "trace_id", "span_id"))
"""Fields of the context that hold nothing of anybody's."""
_LEVELS = {level: logging.getLevelName(level).lower() for level in (10, 20, 30, 40, 50)}


class Line(logging.LogRecord):
    """A record that is made in a fraction of the time, for what is logged all the time.

    Its `fields` are as good as `extra`, and known to hold no secrets. `context` is what was `current`
    where it happened.
    """

    def __init__(
        self,
        logger: str,
        level: int,
        event: str,
        fields: dict[str, object],
        context: dict[str, object],
        created: float,
    ) -> None:
        self.__dict__ = record = _BLANK.copy()
        record["name"], record["msg"] = logger, event
        record["levelno"], record["levelname"] = level, logging.getLevelName(level)
        record["created"], record["msecs"] = created, created % 1 * 1000
        record.update(fields)
        self.fields, self.context = fields, context


class Lines(logging.Formatter):
    """Makes one line of a record of structlog, or of the standard library.

    In place of structlog's ProcessorFormatter, which takes ten times as long.
    """

    def __init__(
        self, is_development: bool, colors: bool, release: Mapping[str, str] | None = None
    ) -> None:
        """As JSON, each line carries what is said of the release."""
        super().__init__()
        self._render: Render = _for_the_eye(colors) if is_development else _as_json(release or {})
        self._second, self._time = 0, ""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record that has the `context` it was logged in."""
        return self._render(self.describe(record))

    def describe(self, record: logging.LogRecord) -> EventDict:
        """Return the fields of that line: nothing secret is in them."""
        context: dict[str, object] = record.context  # type: ignore[attr-defined]
        line: EventDict = {
            "event": record.msg,
            "timestamp": self._timestamp(record.created),
            "level": _LEVELS.get(record.levelno) or record.levelname.lower(),
            "logger": record.name,
        }
        for key, value in context.items():
            line[key] = value if key in _OURS else without_secrets(value, key)
        if isinstance(record, Line):
            line.update(record.fields)
        else:
            for key, value in _given(record).items():
                line[key] = without_secrets(value, key)
            line["module"] = context["module"]
        return line

    def _timestamp(self, created: float) -> str:
        second = int(created)
        if second != self._second:
            self._time = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._second = second
        return f"{self._time}.{int((created - second) * 1000):03d}+00:00"


def _given(record: logging.LogRecord) -> EventDict:
    """Return what whoever logged has said."""
    if isinstance(record.msg, dict):
        given: EventDict = {"event": "", **record.msg}
        error = given.pop("exc_info", None)
    else:
        given = {key: value for key, value in vars(record).items() if key not in _NOT_EXTRA}
        given["event"], error = record.getMessage(), record.exc_info
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        given["exception.type"] = type(error).__qualname__
        given["exception.message"] = text_of(error)
        given["exception.stacktrace"] = stacktrace_of(error)
    return given


def _as_json(release: Mapping[str, str]) -> Render:
    # The same in every line, so it is made once: what a line has of its own comes before it.
    end = f",{to_json(release).decode()[1:]}" if release else "}"

    def render(event: EventDict) -> str:
        try:
            line = to_json(event, fallback=str, inf_nan_mode="strings").decode()
        except ValueError:  # Half a surrogate pair, say.
            safe = {k: str(value).encode(errors="backslashreplace") for k, value in event.items()}
            line = to_json(safe).decode()
        return line[:-1] + end

    return render


_COLORS = {"debug": 32, "info": 32, "warning": 33, "error": 31, "critical": 31}


def _for_the_eye(colors: bool) -> Render:
    def styled(text: str, *codes: int) -> str:
        return f"\x1b[{';'.join(map(str, codes))}m{text}\x1b[0m" if colors else text

    def render(event: EventDict) -> str:
        """Shorten the time, and let a traceback stand below its line."""
        time, level = event.pop("timestamp")[11:23], event.pop("level")
        said, logger = str(event.pop("event")), event.pop("logger")
        stacktrace = event.pop("exception.stacktrace", None)
        if stacktrace is not None:
            del event["exception.type"], event["exception.message"]
        fields = " ".join(
            f"{styled(key, 36)}={styled(_field(value), 35)}" for key, value in event.items()
        )
        line = (
            f"{styled(time, 2)} [{styled(f'{level:<9}', _COLORS.get(level, 1), 1)}] "
            f"{styled(f'{said:<30}', 1)} [{styled(logger, 34, 1)}] {fields}"
        )
        return line if stacktrace is None else f"{line}\n{stacktrace}"

    return render


def _field(value: object) -> str:
    text = str(value)
    return (
        text if text and " " not in text and "=" not in text and text.isprintable() else repr(text)
    )
