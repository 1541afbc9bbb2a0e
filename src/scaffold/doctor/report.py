"""What is said of a repository that was looked at."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from scaffold import addresses
from scaffold.doctor import lifetimes
from scaffold.doctor.examining import Examined
from scaffold.doctor.finding import NotKnownError
from scaffold.doctor.template_checks import short
from scaffold.errors import ScaffoldError

SCHEMA = 1
"""The version of what `--json` prints: docs/doctor.md."""
_PAGE = "docs/doctor.md"
_MOST = 10
_STALE = 30
"""Days after which what is known of the template is said to be old."""


def as_dict(done: Examined) -> dict[str, Any]:
    """For scripts."""
    page = _page(done)
    return {
        "schema": SCHEMA,
        "root": str(done.seen.root),
        "template": _template(done),
        "errors": done.errors,
        "advice": len(done.findings) - done.errors,
        "findings": [
            {
                "id": check.id,
                "name": check.name,
                "severity": check.severity,
                "what": finding.what,
                "why": check.why,
                "todo": finding.todo,
                "command": finding.command,
                "places": list(finding.places),
                "docs": f"{page}#{check.id.lower()}",
                "details": finding.details,
            }
            for check, finding in done.findings
        ],
        "fixed": [{"id": id_, "files": files} for id_, files in done.fixed.items()],
        "not_known": [{"id": id_, "reason": why} for id_, why in done.not_known.items()],
        "lifetimes_taken": lifetimes.TAKEN.isoformat(),
    }


def as_text(done: Examined) -> str:
    """For people."""
    return "".join(f"{line}\n" for line in _lines(done))


def _lines(done: Examined) -> Iterator[str]:
    page = _page(done)
    for id_, files in done.fixed.items():
        yield f"Mended {', '.join(files)} ({id_})."
    findings = sorted(done.findings, key=lambda each: each[0].severity != "error")
    for check, finding in findings:
        yield f"{check.severity} {check.id}: {finding.what}"
        places = [place for place in finding.places if place not in finding.what]
        yield from (f"    {place}" for place in places[:_MOST])
        if len(places) > _MOST:
            yield f"    ... {len(places) - _MOST} more; --json lists all"
        yield f"  Why: {check.why}"
        yield f"  Do:  {finding.todo}{f' Run: {finding.command}' if finding.command else ''}"
        where = " in the template" if page == _PAGE else ""
        yield f"  See: {page}#{check.id.lower()}{where}"
    yield _summary(done)
    for reason in dict.fromkeys(done.not_known.values()):
        ids = [id_ for id_, why in done.not_known.items() if why == reason]
        yield f"Not looked at ({', '.join(ids)}): {reason}."
    if (done.seen.today - lifetimes.TAKEN).days > lifetimes.GOOD_FOR:
        yield (
            f"Ends of life are known as of {lifetimes.TAKEN}; a newer scaffold knows newer ones."
        )


def _summary(done: Examined) -> str:
    said = "Nothing off the path"
    if done.findings:
        advice = len(done.findings) - done.errors
        parts = [f"{done.errors} error{'s' * (done.errors != 1)}"] if done.errors else []
        parts += [f"{advice} to think about"] if advice else []
        said = ", ".join(parts)
    known = _template(done)
    if known and not known["newest"]:
        said += f" (template {short(known['version'])})"
    elif known:
        asked = known["asked_on"]
        days = (done.seen.today - date.fromisoformat(asked)).days if asked else 0
        when = f", as of {asked}" if asked else ", as this scaffold brings it" * known["bundled"]
        if days >= _STALE:
            when += f", {days} days ago: --fetch asks again"
        said += f" (template {short(known['version'])}, newest {short(known['newest'])}{when})"
    return f"{said}."


def _template(done: Examined) -> dict[str, Any] | None:
    """What is known of the template; None where its answers cannot be read."""
    seen = done.seen
    if seen.app is None:
        return None
    newest = asked = None
    bundled = False
    if "SC-001" not in done.not_known:
        with suppress(NotKnownError, ScaffoldError):
            newest, asked, bundled = seen.newest.version, seen.asked_on, seen.is_bundled
    return {
        "source": addresses.redact(seen.app.source),
        "version": seen.app.version,
        "newest": newest,
        "asked_on": asked.isoformat() if asked else None,
        "bundled": bundled,
    }


def _page(done: Examined) -> str:
    """The page that explains the checks: on the web, where it is known how the host shows it."""
    source = done.seen.app.source if done.seen.app else ""
    url = urlsplit(addresses.for_git(addresses.without_secret(source)))
    host, path = url.hostname or "", url.path
    if source.removeprefix("git+").startswith("git@"):
        host, _, path = source.removeprefix("git+").removeprefix("git@").partition(":")
    path = path.strip("/").removesuffix(".git")
    if host == "github.com":
        return f"https://{host}/{path}/blob/HEAD/{_PAGE}"
    if "gitlab" in host.split("."):
        return f"https://{host}/{path}/-/blob/HEAD/{_PAGE}"
    return _PAGE
