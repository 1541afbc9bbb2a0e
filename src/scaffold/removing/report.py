"""What is said of a module that is removed."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from scaffold.contents import Place
from scaffold.removing.remove import Removal

_SHOWN = 20


def as_text(found: Removal) -> str:
    """What goes, and what is left, for the eye."""
    lines = [f"What goes with {found.name}:"]
    lines += [f"  {what:10} {said}" for what, said in _goes(found)]
    if found.left:
        lines.append("What names it, and is left to you:")
        lines += [f"  {place}" for place in found.left[:_SHOWN]]
        if more := len(found.left) - _SHOWN:
            lines += [f"  and {more} more lines: --json lists all of them"] if more > 0 else []
    return "\n".join(lines) + "\n"


def as_dict(found: Removal, data: str | None) -> dict[str, Any]:
    """The same, for scripts."""
    return {
        "module": found.name,
        "folder": found.folder,
        "goes": {
            **asdict(found.has),
            "codeowners": list(map(_place, found.owners)),
            "rows": found.counts.rows,
            "waiting": found.counts.jobs,
            "unknown": found.counts.unknown or None,
        },
        "changed": sorted(found.edited),
        "left": list(map(_place, found.left)),
        "data": data,
        "commit": found.commit,
        "written": found.commit is not None,
    }


def refusal(error: Exception, needed: list[Place]) -> dict[str, Any]:
    """Why a module stays, for scripts."""
    return {"error": str(error), "dependents": list(map(_place, needed))}


def _place(place: Place) -> dict[str, Any]:
    return {"file": place.file, "line": place.line, "what": place.what}


def _goes(found: Removal) -> Iterator[tuple[str, str]]:
    has, counts = found.has, found.counts
    yield "files", f"{len(has.files)}, the folder {found.folder}"
    tables = sorted({*has.tables, *counts.rows})
    if tables:
        yield "tables", ", ".join(_table(each, counts.rows) for each in tables)
    if counts.unknown:
        yield "rows, jobs", f"unknown: {counts.unknown}"
    if has.jobs:
        yield (
            "jobs",
            ", ".join(
                f"{job} (by the clock: {cron})" if cron else job for job, cron in has.jobs.items()
            ),
        )
    if not counts.unknown:
        waiting = ", ".join(f"{number} {state}" for state, number in counts.jobs.items())
        yield "in queue", waiting or "none of its jobs"
    if has.events:
        yield "events", f"{', '.join(has.events)}; nobody else hears them"
    if has.hears:
        yield "hears", ", ".join(has.hears)
    if has.routes:
        yield "routes", ", ".join(has.routes)
    if has.flags:
        yield "flags", ", ".join(has.flags)
    if has.objectives:
        yield "alerts", "on its objectives, and its rows of the dashboards: both go by its label"
    for place in found.owners:
        yield "owner", str(place)
    if has.extensions:
        yield "stays", f"the extension {', '.join(has.extensions)} of Postgres"


def _table(name: str, rows: dict[str, int]) -> str:
    return f"{name} ({rows[name]:,} rows)" if name in rows else name
