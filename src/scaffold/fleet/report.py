"""What is said of a run: one table, and a sentence for each that failed."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from scaffold import screen
from scaffold.fleet.outcome import Outcome, State

_MOST = 15


class Shared(NamedTuple):
    """A file of the template that several repositories have edited.

    Attributes:
        path: where it is now in the template.
        repositories: who has edited it.
        alike: how many of them have made the very same of it.
    """

    path: str
    repositories: list[str]
    alike: int


def shared_edits(outcomes: Sequence[Outcome]) -> list[Shared]:
    """The files that at least two repositories have edited, most of them first."""
    edits: dict[str, dict[str, str]] = {}
    for outcome in outcomes:
        for path, blob in outcome.edited.items():
            edits.setdefault(path, {})[outcome.name] = blob
    found = [
        Shared(path, sorted(by_name), max(Counter(by_name.values()).values()))
        for path, by_name in edits.items()
        if len(by_name) > 1
    ]
    return sorted(found, key=lambda each: (-len(each.repositories), -each.alike, each.path))


def as_dict(outcomes: Sequence[Outcome], *, edits: bool) -> dict[str, Any]:
    """The same for scripts."""
    said: dict[str, Any] = {
        "schema": 1,
        "counts": {state.value: number for state, number in _counts(outcomes).items()},
        "repositories": [each.as_dict() for each in outcomes],
    }
    if edits:
        said["shared_edits"] = [each._asdict() for each in shared_edits(outcomes)]
    return said


def show(outcomes: Sequence[Outcome], *, edits: bool) -> None:
    """Print it for people."""
    heads = ("repository", "version", "to", "behind", "state", "")
    screen.print_table(heads, [_row(each) for each in outcomes])
    print()
    for line in _more(outcomes):
        print(line)
    if edits and (shared := shared_edits(outcomes)):
        print("Edited in several repositories; what they share may belong into the template:")
        for each in shared[:_MOST]:
            alike = f", {each.alike} of them alike" if each.alike > 1 else ""
            print(f"  {each.path}: {len(each.repositories)}{alike}")
        if len(shared) > _MOST:
            print(f"  ... {len(shared) - _MOST} more; --json lists all")


def _row(outcome: Outcome) -> tuple[str, ...]:
    to = "" if outcome.to == outcome.version else outcome.to
    more = [outcome.pull_request or outcome.branch, outcome.note]
    if (number := len(outcome.conflicts)) and outcome.state == State.CONFLICT:
        more.insert(0, f"{number} file{'s' if number > 1 else ''}")
    what = ", ".join(each for each in more if each)
    return (outcome.name, outcome.version, to, outcome.behind, outcome.state, what or " ")


def _more(outcomes: Sequence[Outcome]) -> Iterator[str]:
    counts = ", ".join(f"{number} {state}" for state, number in _counts(outcomes).items())
    number = len(outcomes)
    yield f"{number} {'repository' if number == 1 else 'repositories'}: {counts}."
    for each in outcomes:
        if each.error:
            yield f"  {each.name}: {each.error}"
        if each.state == State.CHECK_FAILED:
            yield f"  {each.name}: make check failed; what it printed is in {each.log}"


def _counts(outcomes: Sequence[Outcome]) -> dict[State, int]:
    counted = Counter(each.state for each in outcomes)
    return {state: counted[state] for state in State if counted[state]}
