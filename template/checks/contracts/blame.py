"""Which commit broke what: the contracts of a branch, commit by commit."""

from collections.abc import Callable, Iterable, Mapping

from checks import history
from checks.contracts.rendering import CODE, Documents, render, UnreadableCodeError
from checks.contracts.rules import Break, compare

Key = tuple[str, str]


def culprits(
    base: str,
    fork: str,
    breaks: Iterable[Break],
    known: Mapping[str, Documents],
    make: Callable[[str], Documents] = render,
) -> Mapping[Key, str]:
    """Return who broke each thing, by its subject and part: since then it has been broken.

    `known` are the contracts of commits that were made already.
    """
    made = {**known}

    def documents(commit: str) -> Documents:
        if commit not in made:
            made[commit] = make(commit)
        return made[commit]

    later = "what is not committed yet"
    found: dict[Key, str] = {}
    still = {each[:2] for each in breaks}
    for commit in history.commits_since(fork, *CODE):
        if not still:
            break
        try:
            # What main had then: a merge may have brought more.
            before = documents(history.merge_base(base, commit) or fork)
            broken = {each[:2] for each in compare(before, documents(commit))}
        except UnreadableCodeError:
            later += f", or {history.subject_of(commit)}, which cannot be imported"
            continue
        found.update(dict.fromkeys(still - broken, later))
        still &= broken
        later = history.subject_of(commit)
    return found | dict.fromkeys(still, later)
