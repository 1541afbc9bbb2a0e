"""Checks of a live database against the code, asked by the repository's own Python."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scaffold import addresses
from scaffold.doctor import module_checks
from scaffold.doctor.finding import Finding, NotKnownError
from scaffold.doctor.seen import Seen
from scaffold.errors import ScaffoldError

_PROBE = Path(__file__).with_name("probe.py")
_PATIENCE = 120
_SETTING = re.compile(r"(?<!MIGRATION_)DATABASE_URL")


def ask(root: Path, url: str) -> dict[str, Any]:
    """What there is to say of a database.

    Raises:
        ScaffoldError: where it cannot be reached, or the repository cannot ask.
    """
    place = next((root / each for each in _PYTHONS if (root / each).is_file()), None)
    if place is None:
        raise ScaffoldError(f"{root / '.venv'} is not there, whose Python asks; run `uv sync`")
    environment = {"ENVIRONMENT": "development", **os.environ, "DATABASE_URL": url}
    if not _is_same(os.environ.get("MIGRATION_DATABASE_URL", ""), url):
        environment.pop("MIGRATION_DATABASE_URL", None)
    try:
        done = subprocess.run(
            [str(place), "-c", _PROBE.read_text("utf-8")],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired:
        raise ScaffoldError(f"the database did not answer within {_PATIENCE} s") from None
    if done.returncode == 0:
        return dict(json.loads(done.stdout.splitlines()[-1]))
    said = (done.stderr.strip() or "no reason given").splitlines()[-1]
    if "ImportError" in said or "ModuleNotFoundError" in said:
        raise ScaffoldError(
            f"this repository cannot say how a database fits it ({said}): run `uv sync`, or "
            "`scaffold update`"
        )
    said = _SETTING.sub("--database", said.replace(url, "the database")).rstrip(".")
    raise ScaffoldError(addresses.redact(said))


_PYTHONS = (".venv/bin/python", ".venv/Scripts/python.exe")


def _is_same(one: str, other: str) -> bool:
    """Whether two URLs are of one database, whoever connects."""
    first, second = urlsplit(one), urlsplit(other)
    try:
        return (first.hostname, first.port, first.path) == (
            second.hostname,
            second.port,
            second.path,
        )
    except ValueError:
        return False


def behind(seen: Seen) -> Iterator[Finding]:
    """Find migrations that the database has not had."""
    found = seen.live
    modules = [] if found["other_owners"] else [*found["missing_schemas"], *found["behind"]]
    if modules:
        yield Finding(
            f"the database is older than the code: {', '.join(sorted(modules))}",
            "Migrate it as an admin: .venv/bin/app migrate",
            details={"schemas": sorted(modules)},
        )


def ahead(seen: Seen) -> Iterator[Finding]:
    """Find migrations that the code does not have."""
    if newer := seen.live["ahead"]:
        named = ", ".join(f"{name} {' and '.join(each)}" for name, each in newer.items())
        yield Finding(
            f"the database has had migrations that the code has not: {named}",
            "Take the code that has them, or wait until the release that has them is merged.",
            details={"ahead": newer},
        )


def roles(seen: Seen) -> Iterator[Finding]:
    """Find schemas and roles that are not as `app migrate` makes them."""
    found = seen.live
    if others := found["other_owners"]:
        named = ", ".join(f"{name} to {owner}" for name, owner in others.items())
        yield Finding(
            f"schemas belong to others than {found['login']} has made them for: {named}",
            "Give --database the URL of the application's login; or mend the owners.",
            details={"owners": others},
        )
        return
    there = [role for role in found["missing_roles"] if _module_of(role) in _made(found, seen)]
    if there:
        yield Finding(
            f"roles are missing: {', '.join(there)}",
            "Let them be made again, as an admin: .venv/bin/app migrate",
            details={"missing": there},
        )
    if found["not_granted"]:
        yield Finding(
            f"{found['login']} may not act as {', '.join(found['not_granted'])}",
            "Let them be granted again, as an admin: .venv/bin/app migrate",
            details={"not_granted": found["not_granted"]},
        )


def _made(found: dict[str, Any], seen: Seen) -> set[str]:
    """The modules whose schema is there: of the others, all is missing, and that is told."""
    names = {module.name for module in seen.modules} | {"queue", "requests"}
    return names - set(found["missing_schemas"])


def _module_of(role: str) -> str:
    return role.removesuffix("__owner").rpartition("__")[2]


def left_schemas(seen: Seen) -> Iterator[Finding]:
    """Find schemas of modules that are gone."""
    standing_in = set(module_checks.stand_ins(seen))
    if left := [name for name in seen.live["left_schemas"] if name not in standing_in]:
        yield Finding(
            f"schemas of modules that the code does not have: {', '.join(left)}",
            "If a module was removed, archive and drop its schema; if it is on another branch, "
            "leave it.",
            details={"schemas": left},
        )


def tables(seen: Seen) -> Iterator[Finding]:
    """Find tables that are not what tables.py says."""
    found = seen.live
    for module, sentences in found["differences"].items():
        yield Finding(
            f"{module}: {' '.join(sentences)}",
            "Somebody has changed the database by hand: take that back, or write the migration.",
            details={"module": module, "differences": sentences},
        )
    if found["unasked"]:
        raise NotKnownError(f"tables cannot be compared: {found['unasked'].rstrip('.')}")
