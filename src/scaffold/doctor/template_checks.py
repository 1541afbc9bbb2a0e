"""Checks of what a repository has to do with its template."""

import re
from collections.abc import Iterator
from pathlib import Path

from scaffold import addresses, bundled, git, origin, repository
from scaffold.doctor.finding import Finding
from scaffold.doctor.seen import Seen
from scaffold.errors import ScaffoldError


def behind(seen: Seen) -> Iterator[Finding]:
    """Find that the template has a newer version."""
    now, found = seen.recorded.version, seen.distance
    details = {"from": now, "to": found.newest, "commits": found.commits}
    if found.is_apart:
        yield Finding(
            f"{short(found.newest)}, the newest version of the template, does not contain "
            f"{short(now)}, which this repository has",
            "Merge what only that one has in the template, or name a version by --to.",
            details=details,
        )
    elif found.releases:
        yield Finding(
            f"template {short(now)} is {_count(found.releases, 'release')} behind "
            f"{short(found.newest)}: {', '.join(found.releases)}",
            "See what would come, then update.",
            "scaffold update --dry-run",
            details={**details, "releases": found.releases},
        )
    elif found.commits:
        yield Finding(
            f"template {short(now)} is {_number(found.commits, 'commit')} behind "
            f"{short(found.newest)}",
            "See what would come, then update.",
            "scaffold update --dry-run",
            details={**details, "releases": []},
        )


def unreachable(seen: Seen) -> Iterator[Finding]:
    """Find a template that is on this machine alone, once others have the repository."""
    source = seen.recorded.source
    is_here = not addresses.is_remote(source) or addresses.for_git(source).startswith("file:")
    is_there = is_here and (
        addresses.is_remote(source) or Path(source).expanduser().exists()
    )  # Else SC-004 has more to say.
    if is_there and seen.in_git and git.run("remote", cwd=seen.root):
        yield Finding(
            f"the template is recorded as {addresses.redact(source)}, which is on one machine",
            "Push the template, and record where: scaffold template URL.",
            places=(repository.ANSWERS,),
        )


def unreadable_answers(seen: Seen) -> Iterator[Finding]:
    """Find answers that nobody can read."""
    _ = seen.app, seen.modules
    for path, why in seen.unreadable.items():
        if path.endswith((repository.ANSWERS, repository.MODULE_ANSWERS)):
            yield Finding(why, f"Restore it: git log -p -- {path}", places=(path,))


def lost_version(seen: Seen) -> Iterator[Finding]:
    """Find a recorded version that its template does not have."""
    source = seen.recorded.source
    try:
        if source != bundled.ADDRESS:
            origin.need_local(source)
        _ = seen.template
    except ScaffoldError as error:
        yield Finding(
            addresses.redact(seen.short(error)),
            "Record where the template is now: scaffold template URL.",
            places=(repository.ANSWERS,),
        )


def secret_address(seen: Seen) -> Iterator[Finding]:
    """Find a password or token in the address of the template."""
    files = {repository.ANSWERS: seen.app}
    for module in seen.modules:
        files[_answers_of(module.name)] = module.template
    found = {
        path: each.source
        for path, each in files.items()
        if each and addresses.has_secret(each.source)
    }
    if found:
        address = next(iter(found.values()))
        yield Finding(
            f"the template's address {addresses.redact(address)} holds a user name, password or "
            "token",
            "Withdraw it, and record the address without: scaffold template URL.",
            places=tuple(found),
        )


def modules_behind(seen: Seen) -> Iterator[Finding]:
    """Find modules at another version of the template than the app."""
    app = seen.recorded
    others = {
        module.name: module.template.version
        for module in seen.modules
        if module.template
        and addresses.same(module.template.source, app.source)
        and module.template.version != app.version
    }
    if others:
        named = ", ".join(f"{name} {short(version)}" for name, version in others.items())
        yield Finding(
            f"modules at another template version than the app, {short(app.version)}: {named}",
            "An update brings app and modules to one version.",
            "scaffold update --dry-run",
            tuple(map(_answers_of, others)),
            {"app": app.version, "modules": others},
        )


def modules_apart(seen: Seen) -> Iterator[Finding]:
    """Find modules that updates leave alone."""
    app = seen.recorded
    modules = repository.MODULES.as_posix()
    if alone := [module.name for module in seen.modules if not module.has_answers]:
        yield Finding(
            f"updates leave modules alone that have no {repository.MODULE_ANSWERS}: "
            f"{', '.join(alone)}",
            "Where scaffold made one, restore the file from git.",
            places=tuple(f"{modules}/{name}" for name in alone),
            details={"modules": alone},
        )
    others: dict[str, list[str]] = {}
    for module in seen.modules:
        if module.template and not addresses.same(module.template.source, app.source):
            others.setdefault(addresses.redact(module.template.source), []).append(module.name)
    for source, names in others.items():
        yield Finding(
            f"updates leave modules alone that record another template, {source}: "
            f"{', '.join(names)}",
            "If it is the same one, write the app's _src_path there: "
            f"{addresses.redact(app.source)}",
            places=tuple(map(_answers_of, names)),
            details={"source": source, "modules": names},
        )


def short(version: str) -> str:
    """A version as people read it: of a hash, what git shows."""
    return version[:10] if re.fullmatch(r"[0-9a-f]{40,64}", version) else version


def _count(things: list[str], name: str) -> str:
    return _number(len(things), name)


def _number(count: int, name: str) -> str:
    return f"{count} {name}{'s' if count != 1 else ''}"


def _answers_of(module: str) -> str:
    return f"{repository.MODULES.as_posix()}/{module}/{repository.MODULE_ANSWERS}"
