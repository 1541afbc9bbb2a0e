"""Where a template is found: for a new repository, and later by whoever has that repository.

Two things are kept apart (docs/adr/0047-a-template-is-recorded-where-others-find-it.md). What is
*recorded* serves everybody: an address, and a version that does not move. What is *read* is
whichever git repository of this machine holds the very same.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scaffold import addresses, bundled, changes, git, installation, mirror
from scaffold.errors import ScaffoldError

Note = Callable[[str], None]


@dataclass(frozen=True)
class Origin:
    """A template as it is recorded, and where it is read.

    Attributes:
        source: address for others, or an absolute path where there is none.
        version: a release's tag, or a full hash.
        place: a git repository on this machine.
        revision: the full hash of the version in it.
        warnings: what others will not be able to do, and the remedy.
    """

    source: str
    version: str
    place: str
    revision: str
    warnings: tuple[str, ...] = ()


def find(given: str | None, version: str | None, note: Note = lambda _: None) -> Origin:
    """The template for a new repository: the given one, or the one `scaffold` itself came with."""
    if given is None:
        return _own(version, note)
    if addresses.is_remote(given):
        return _elsewhere(given, version, note)
    path = Path(given).expanduser().resolve()
    need_local(str(path))
    return _here(path, version or _newest(path) or "HEAD")


def recall(source: str, version: str, given: str | None, note: Note = lambda _: None) -> Origin:
    """The template that a repository was made from, wherever it can be found.

    In this order: where the user says; what `scaffold` itself came with, if it is the same for
    certain; the recorded address; what `scaffold` came with, if only the name of its release is the
    same and the recorded one is a folder that is not on this machine.

    Args:
        source: as recorded.
        version: as recorded.
        given: path or URL to read it from instead; it must hold the version.
        note: is told what takes long, and what was found in a place nobody named.
    """
    addresses.check(source)
    if given is not None:
        place = _place(given, version, note)
        if revision := git.commit(place, version):
            return Origin(source, version, str(place), revision)
        raise ScaffoldError(
            f"the template {given} has no version {version}, which this repository was made from; "
            "name one that has it with --from"
        )
    if held := _held(source, version):
        return held
    try:
        if addresses.is_remote(source):
            place = mirror.of(addresses.for_git(source), version, note)
        else:
            need_local(source)
            place = Path(source).expanduser()
    except ScaffoldError as error:
        if not addresses.is_remote(source) and (held := _held(None, version)):
            note(f"{source} is not on this machine: taking {version} as scaffold brings it")
            return held
        raise _nowhere(source, version, str(error)) from None
    if revision := git.commit(place, version):
        return Origin(source, version, str(place), revision)
    raise ScaffoldError(
        f"the template {source} has no version {version}; restore it there, name one that has it "
        "with --from, or take one that it has"
    )


def at_hand(source: str, version: str, given: str | None = None) -> Origin | None:
    """The template that a repository was made from, if this machine has it: nobody is asked.

    Raises:
        ScaffoldError: where it is recorded, or given, as a folder that has no such version.
    """
    address = given or source
    addresses.check(address)
    if addresses.is_remote(address):
        place = mirror.kept(addresses.for_git(address))
        if place.is_dir() and (revision := git.commit(place, version)):
            return Origin(source, version, str(place), revision)
        return None if given else _held(source, version)
    if source == bundled.ADDRESS and bundled.FILES.is_dir():
        bundled.repository(installation.tag())
    place = Path(source).expanduser()
    is_there = given is None and place.is_absolute() and place.is_dir() and git.is_root(place)
    if is_there and (revision := git.commit(place, version)):
        return Origin(source, version, str(place), revision)
    return recall(source, version, given)


def newest_at(found: Origin) -> Origin:
    """The newest release, or else the newest commit, that is known where a version was found."""
    place = Path(found.place)
    recorded, revision = _pinned(place, _newest(place) or "HEAD", found.source)
    return replace(found, version=recorded, revision=revision)


def releases_between(place: Path, old: str, new: str) -> list[str]:
    """The releases of a template that a newer commit contains and an older one does not."""
    printed = git.run("tag", "--list", "--merged", new, "--no-merged", old, cwd=place)
    tags = {tag: parsed for tag in printed.split() if (parsed := _parsed(tag))}
    return sorted((t for t, each in tags.items() if not each.is_prerelease), key=tags.__getitem__)


def at(address: str, version: str, note: Note = lambda _: None) -> Origin:
    """A recorded version where a template is now; it must be there under the same name."""
    place = _place(address, version, note)
    revision = git.commit(place, version)
    if revision is None:
        raise ScaffoldError(
            f"{address} has no version {version}, which this repository was made from; push it "
            "there, or name the repository that has it"
        )
    if addresses.is_remote(address):
        return Origin(addresses.for_copier(address), version, str(place), revision)
    return replace(_here(place, revision), version=version)


def newer(
    source: str, version: str | None, given: str | None, note: Note = lambda _: None
) -> Origin:
    """A version to update to, where all that is known of the template now can be read.

    Args:
        source: as recorded.
        version: tag, branch or commit; none takes the newest release, or else the newest commit.
        given: path or URL to read it from instead.
        note: is told what takes long, before it does.
    """
    address = given or source
    addresses.check(address)
    if address == bundled.ADDRESS and bundled.FILES.is_dir():
        if version in (None, installation.tag()) and (held := _held(None, installation.tag())):
            return replace(held, source=source, version=installation.known_as()[1])
        place = bundled.repository(installation.tag())
    else:
        try:
            if not given:
                need_local(source)
            place = _place(address, None, note)
        except ScaffoldError as error:
            raise error if given else _nowhere(source, None, str(error)) from None
    recorded, revision = _pinned(place, version or _newest(place) or "HEAD", address)
    return Origin(source, recorded, str(place), revision)


def need_local(source: str) -> None:
    """Refuse a source that is a path but no git repository (any more). URLs are not looked at."""
    if addresses.is_remote(source):
        return
    path = Path(source).expanduser()
    if not path.is_absolute():
        raise ScaffoldError(
            f"the template is recorded as the relative path {source!r}, which means nothing later; "
            "write its absolute path or URL as _src_path"
        )
    if not path.exists():
        raise ScaffoldError(f"the template {path} is not there; put it back, or name another")
    if path.is_dir() and not git.is_root(path):
        raise ScaffoldError(
            f"the template {path} is not the top of a git repository, so later updates could not "
            "find their versions; run git init and commit there, or name another"
        )


def _place(given: str, version: str | None, note: Note) -> Path:
    """A repository on this machine that is, or is a copy of, what the user named."""
    addresses.check(given)
    if addresses.is_remote(given):
        return mirror.of(addresses.for_git(given), version, note)
    path = Path(given).expanduser().resolve()
    need_local(str(path))
    return path


def _elsewhere(address: str, version: str | None, note: Note) -> Origin:
    """A template that an address names, as new as it is now."""
    addresses.check(address)
    source = addresses.for_copier(address)
    place = mirror.of(addresses.for_git(address), None, note)
    recorded, revision = _pinned(place, version or _newest(place) or "HEAD", source)
    return Origin(source, recorded, str(place), revision)


def _here(path: Path, version: str) -> Origin:
    """A template in a folder, recorded by the address that it is known by to others."""
    if version == "HEAD":
        _need_committed(path)
    recorded, revision = _pinned(path, version, str(path))
    remote = git.remote(path)
    url = git.call("remote", "get-url", remote, cwd=path).stdout.strip() if remote else ""
    if remote and addresses.is_remote(url):
        source = addresses.for_copier(addresses.without_secret(url))
        unpushed = (
            f"{recorded} of the template is not on {source} as far as {path} knows; push it, "
            "or nobody else can add modules or update"
        )
        warnings = () if git.is_pushed(path, remote, revision) else (unpushed,)
        return Origin(source, recorded, str(path), revision, warnings)
    if stated := installation.stated_url():
        return Origin(addresses.for_copier(stated), recorded, str(path), revision)
    return Origin(str(path), recorded, str(path), revision, (_homeless(f"the folder {path}"),))


def _own(version: str | None, note: Note) -> Origin:
    """The template that this installation came with."""
    if checkout := installation.checkout():
        return _here(checkout, version or "HEAD")
    if not bundled.FILES.is_dir():
        raise ScaffoldError(
            "this installation of scaffold does not say which template it came with; "
            "name one with --from PATH-OR-URL"
        )
    source, recorded = installation.known_as()
    if version not in (None, recorded, installation.tag()):
        if source == bundled.ADDRESS:
            raise ScaffoldError(
                f"this installation of scaffold brings {installation.tag()} of its template and no "
                f"{version}; install that version, or name a template with --from PATH-OR-URL"
            )
        return _elsewhere(source, version, note)
    place = bundled.repository(installation.tag())
    warnings = () if source != bundled.ADDRESS else (_homeless("what scaffold itself brings"),)
    revision = git.run("rev-parse", f"refs/tags/{installation.tag()}", cwd=place)
    return Origin(source, recorded, str(place), revision, warnings)


def _held(source: str | None, version: str) -> Origin | None:
    """What this installation came with, if it is the recorded template at the recorded version.

    A hash says so by itself. A tag does at the same address; without a source, its name will do.
    """
    if checkout := installation.checkout():
        revision = git.by_hash(checkout, version)
        if not revision and (source is None or installation.is_of(checkout, source)):
            revision = git.commit(checkout, version)
        return Origin(source or "", version, str(checkout), revision) if revision else None
    if not bundled.FILES.is_dir():
        return None
    known, recorded = installation.known_as()
    if (
        installation.RELEASE.fullmatch(version)
        and source is not None
        and not addresses.same(source, known)
    ):
        return None
    if version not in (installation.tag(), recorded):
        return None
    place = bundled.repository(installation.tag())
    revision = git.run("rev-parse", f"refs/tags/{installation.tag()}", cwd=place)
    return Origin(source or "", version, str(place), revision)


def _need_committed(path: Path) -> None:
    """Refuse what is not in git: nobody could render it again."""
    git.head(path)
    bare = git.run("rev-parse", "--is-bare-repository", cwd=path) == "true"
    changed = (
        []
        if bare
        else git.changes(path, "copier.yml", changes.FILE, "template", "skeletons", "examples/shop")
    )
    if changed:
        raise ScaffoldError(
            f"the template {path} has uncommitted changes ({changed[0].strip()}); "
            "commit them, or pass --ref with a version to use instead"
        )


def _pinned(place: Path, asked: str, source: str) -> tuple[str, str]:
    """What is recorded of a version, and its full hash: a release as such, else the hash.

    A branch moves, and so do tags that name no release, like `latest`.
    """
    revision = git.commit(place, asked)
    if revision is None:
        hint = f"its newest is {newest}" if (newest := _newest(place)) else "it has no release"
        if git.commit(place, f"v{asked}"):
            hint = f"did you mean v{asked}?"
        raise ScaffoldError(f"the template {source} has no version {asked}; {hint}")
    if git.by_hash(place, asked):
        return revision, revision
    tags = git.tags(place, revision)
    if asked in tags and _parsed(asked):
        return asked, revision
    return max(filter(_parsed, tags), key=_parsed, default=revision), revision


def _newest(place: Path) -> str | None:
    """The newest release of a template."""
    releases = {tag: parsed for tag in git.tags(place) if (parsed := _parsed(tag))}
    final = [tag for tag, parsed in releases.items() if not parsed.is_prerelease]
    return max(final, key=lambda tag: releases[tag], default=None)


def _parsed(tag: str) -> Any:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(tag)
    except InvalidVersion:
        return None


def _homeless(what: str) -> str:
    return (
        f"the template is recorded as {what}, which has no address that others can reach; give it "
        "one before a second person works here: push the template, and run "
        "`scaffold template URL` in this repository"
    )


def _nowhere(source: str, version: str | None, why: str) -> ScaffoldError:
    which = f"{source} at {version}" if version else source
    return ScaffoldError(
        f"the template of this repository, {which}, cannot be read: "
        f"{why.partition(';')[0].rstrip('.')}. Name a copy with --from or SCAFFOLD_TEMPLATE, "
        "record where it is now with `scaffold template URL`, or install the scaffold that "
        "brings it"
    )
