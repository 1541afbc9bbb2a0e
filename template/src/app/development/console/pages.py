"""How the console's pages are written: from the templates beside this file, which escape all."""

from collections.abc import Mapping, Sequence
from datetime import datetime, UTC
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

_FOLDER = Path(__file__).parent
_TONES = 8
"""Colours of modules, of which the stylesheet has as many."""
_NAVIGATION = (
    ("/_dev", "Overview"),
    ("/_dev/requests", "Requests"),
    ("/_dev/logs", "Logs"),
    ("/_dev/queue", "Queue"),
    ("/_dev/sql", "SQL"),
    ("/_dev/flags", "Flags"),
    ("/_dev/try", "Try it"),
)


class Pages:
    """Renders the pages of one application."""

    def __init__(self, product: str, modules: Sequence[str]) -> None:
        self._tones = {n: f"tone-{number % _TONES}" for number, n in enumerate(sorted(modules))}
        self._environment = Environment(
            loader=FileSystemLoader(_FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(
            {
                "took": took,
                "clock": clock,
                "ago": ago,
                "many": many,
                "tone": self.tone,
            }
        )
        self._environment.globals.update(
            {"product": product, "modules": sorted(modules), "navigation": _NAVIGATION}
        )

    def tone(self, module: str) -> str:
        """Return the class of a module's colour."""
        return self._tones.get(module, "tone-none")

    def show(
        self, page: str, values: Mapping[str, object] | None = None, status: int = 200
    ) -> HTMLResponse:
        """Return the page of a name, with these values in it."""
        template = self._environment.get_template(f"{page}.html")
        return HTMLResponse(template.render(values or {}), status)


def took(seconds: float) -> str:
    """Write how long something took, with as many digits as matter."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def clock(at: float) -> Markup:
    """Write a time of today as the log does, in UTC."""
    moment = datetime.fromtimestamp(at, UTC)
    full = moment.isoformat(timespec="milliseconds")
    return Markup('<time class="clock" datetime="{}">{}</time>').format(full, full[11:23])


def ago(at: datetime) -> Markup:
    """Write how long ago a moment was, or how soon it will be."""
    seconds = (datetime.now(UTC) - at).total_seconds()
    size, unit = next(
        (size, unit)
        for size, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (0, "s"))
        if abs(seconds) >= size
    )
    number = f"{abs(seconds) // max(size, 1):.0f} {unit}"
    said = f"{number} ago" if seconds >= 0 else f"in {number}"
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(timespec="seconds"), said)


def many(number: int, one: str, several: str = "") -> str:
    """Write a number with its noun: 1 request, 2 requests."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"
