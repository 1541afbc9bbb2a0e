"""Check that a version can be released, and release it."""

import argparse
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml
from packaging.version import InvalidVersion, Version

from release import faces
from scaffold import changes, git
from scaffold.errors import ScaffoldError

_CHANGELOG = "CHANGELOG.md"
_SECTION = re.compile(r"^## Unreleased[ \t]*\n(?P<text>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_VERSION = re.compile(r'(?<=^version = ")[^"]+(?="$)', re.MULTILINE)
_NEXT = re.compile(r"^(- version: )['\"]?unreleased['\"]?[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Plan:
    """A release that may be made.

    Attributes:
        version: as people write it.
        before: the tag of the release before; none for the first.
        files: their new contents, by path.
        entries: what of the faces changes, with an entry each.
    """

    version: str
    before: str | None
    files: dict[str, str]
    entries: list[str]


def plan(root: Path, version: str, today: str) -> Plan:
    """Find out whether what is committed can be released.

    Raises:
        ScaffoldError: with all that stands against it.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+(\+[a-z0-9]+(\.[a-z0-9]+)*)?", version):
        raise ScaffoldError(
            f"{version!r} is no version; write three numbers: 1.2.0, in a fork 1.2.0+acme.1"
        )
    if changed := git.changes(root, "."):
        raise ScaffoldError(f"there are uncommitted changes ({changed[0].strip()}); commit them")
    tags = {tag: parsed for tag in git.tags(root) if (parsed := _parsed(tag))}
    before = max(tags, key=lambda tag: tags[tag], default=None)
    if before and Version(version) <= tags[before]:
        raise ScaffoldError(f"{version} is not greater than the last release, {before}")
    changelog = (root / _CHANGELOG).read_text("utf-8")
    section = _SECTION.search(changelog)
    if section is None or not re.search(r"^\s*[-*] \S", section["text"], re.MULTILINE):
        raise ScaffoldError(f"{_CHANGELOG} says nothing under Unreleased; write what is new")
    new = changes.at(root, "HEAD")
    entries = changes.since(new, changes.at(root, before) if before else [])
    _check_sections(new, entries, before)
    _check_faces(root, before, entries)
    _check_questions(root)
    text = (root / changes.FILE).read_text("utf-8") if (root / changes.FILE).is_file() else ""
    project = (root / "pyproject.toml").read_text("utf-8")
    if len(_VERSION.findall(project)) != 1:
        raise ScaffoldError("pyproject.toml does not say its version once; mend it")
    if before is None and Version(version) < Version(_VERSION.findall(project)[0]):
        raise ScaffoldError(
            f"{version} is less than what pyproject.toml says, and no release is here to compare "
            "with; fetch the tags, or name a greater one"
        )
    whole = changelog.replace(
        section[0], f"## Unreleased\n\n## {version} - {today}\n{section['text']}"
    )
    files = {
        _CHANGELOG: whole,
        changes.FILE: _NEXT.sub(rf"\g<1>{version}", text),
        "pyproject.toml": _VERSION.sub(version, project),
    }
    files = {path: content for path, content in files.items() if content}
    return Plan(version, before, files, [str(entry) for entry in entries.all])


def make(root: Path, planned: Plan) -> None:
    """Write the files, commit and tag them; all of it or nothing."""
    git.need_identity(root)
    message = f"Release {planned.version}"
    before = git.head(root)
    try:
        for path, content in planned.files.items():
            (root / path).write_text(content, "utf-8")
        git.run("commit", "--quiet", "--message", message, "--", *planned.files, cwd=root)
        git.run("tag", "--annotate", "--message", message, f"v{planned.version}", cwd=root)
    except ScaffoldError:
        git.run("reset", "--quiet", "--hard", before, cwd=root)  # All was committed, by `plan`.
        raise


def _check_questions(root: Path) -> None:
    """Each question has a default: an update has nobody to ask."""
    file = root / "copier.yml"
    asked = yaml.safe_load(file.read_text("utf-8")) if file.is_file() else {}
    for name, details in asked.items():
        if name[0] != "_" and isinstance(details, dict) and "default" not in details:
            raise ScaffoldError(
                f"copier.yml: {name} has no default, so that no repository could be updated; "
                "give it one"
            )


def _check_sections(
    new: list[changes.Release], entries: changes.Changes, before: str | None
) -> None:
    """New entries stand under `unreleased`, which is the last section; old ones stay."""
    waiting = [release for release in new if release.version == changes.UNRELEASED]
    if len(waiting) > 1 or (waiting and new[-1] is not waiting[0]):
        raise ScaffoldError(f"{changes.FILE}: unreleased must be one section, the last one")
    known = {entry for release in waiting for entry in release.changes}
    if astray := [entry for entry in entries.all if entry not in known]:
        raise ScaffoldError(
            f"{changes.FILE} lists {astray[0].place} under a version that is out, and "
            f"{before or 'no release'} does not have it; put it under unreleased"
        )


def _check_faces(root: Path, before: str | None, entries: changes.Changes) -> None:
    """What breaks must have an entry, and what entries say must be so."""
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        new = faces.Version(root, "HEAD", Path(folder) / "new")
        wrong = faces.missing(new, entries)
        if before:
            old = faces.Version(root, before, Path(folder) / "old")
            wrong += faces.unexplained(old, new, entries)
    if wrong:
        each = "".join(f"\n  {breakage.place} {breakage.what}" for breakage in wrong)
        raise ScaffoldError(
            f"{changes.FILE} does not tell teams what becomes of what they use; add an entry for "
            f"each, or take the change back:{each}"
        )


def _parsed(tag: str) -> Version | None:
    try:
        return Version(tag)
    except InvalidVersion:
        return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Release, or say why not. Exit with 0: done, 1: refused, 2: wrong usage."""
    parser = argparse.ArgumentParser(prog="make release", description=__doc__)
    parser.add_argument("version", help="such as 1.2.0")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    given = parser.parse_args(arguments)
    root = Path.cwd()
    git.need()
    try:
        planned = plan(root, given.version, datetime.now(UTC).date().isoformat())
        if not given.dry_run:
            make(root, planned)
    except ScaffoldError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    did, following = "Released", "git push --follow-tags"
    if given.dry_run:
        did, following = "Would release", f"make release version={planned.version}"
    print(f"{did} {planned.version}, after {planned.before or 'nothing'}:")
    print("".join(f"  {line}\n" for line in [*planned.files, *planned.entries]), end="")
    print(f"Next: {following}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
