"""How far a version of the template is behind another."""

from dataclasses import dataclass
from pathlib import Path

from scaffold import git, objects, origin

_RENDERED_FROM = ("copier.yml", "template", "skeletons", "examples")


@dataclass(frozen=True)
class Distance:
    """How far a repository is behind its template.

    Attributes:
        newest: the newest version that is known here.
        releases: that came since.
        commits: that came since and changed what is rendered.
        is_apart: whether neither version contains the other.
    """

    newest: str
    releases: list[str]
    commits: int
    is_apart: bool = False


def between(old: origin.Origin, new: origin.Origin) -> Distance:
    """How far one that is recorded is behind the newest, in one repository."""
    place = Path(old.place)
    if old.revision == new.revision:
        return Distance(new.version, [], 0)
    if objects.contains(place, new.revision, old.revision):
        count = ("rev-list", "--count", f"{old.revision}..{new.revision}", "--")
        commits = int(git.run(*count, *_RENDERED_FROM, cwd=place))
        releases = origin.releases_between(place, old.revision, new.revision)
        return Distance(new.version, releases, commits)
    is_ahead = objects.contains(place, old.revision, new.revision)
    related = objects.status_of("merge-base", old.revision, new.revision, cwd=place) == 0
    return Distance(new.version, [], 0, is_apart=related and not is_ahead)
