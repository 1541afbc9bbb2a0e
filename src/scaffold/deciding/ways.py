"""What would change the answer: the nearest answers that give another."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

from scaffold.deciding.answers import Answers, Products, Reason
from scaffold.deciding.rules import PRODUCTS, RULES, Verdict, decide
from scaffold.errors import ScaffoldError


@dataclass(frozen=True)
class Way:
    """Answers that would give another result.

    Attributes:
        to: that result.
        changes: the new values, by question.
    """

    to: Verdict
    changes: dict[str, Any]


def ways(answers: Answers) -> list[Way]:
    """For each other result, all ways there that change the fewest answers, and those the least."""
    before, here = answers.as_dict(), decide(answers).verdict
    nearest: dict[Verdict, dict[tuple[int, int, int], list[Way]]] = {}
    for other in _variants(answers):
        verdict = decide(other).verdict
        if verdict == here:
            continue
        changes = {name: value for name, value in other.as_dict().items() if value != before[name]}
        far = abs(other.engineers - answers.engineers), abs(other.teams - answers.teams)
        found = nearest.setdefault(verdict, {})
        found.setdefault((len(changes), *far), []).append(Way(verdict, changes))
    return [way for verdict in Verdict for way in _fewest(nearest.get(verdict, {}))]


def _fewest(found: dict[tuple[int, int, int], list[Way]]) -> list[Way]:
    """Those with the fewest changes; of two that change the same questions, the smaller change."""
    fewest = min((count for count, *_ in found), default=0)
    kept: dict[tuple[str, ...], list[Way]] = {}
    for distance in sorted(key for key in found if key[0] == fewest):
        these: dict[tuple[str, ...], list[Way]] = {}
        for way in found[distance]:
            these.setdefault(tuple(way.changes), []).append(way)
        kept = {**kept, **{asked: alike for asked, alike in these.items() if asked not in kept}}
    return [way for alike in kept.values() for way in alike]


def _variants(answers: Answers) -> Iterator[Answers]:
    """Every answer that a rule could tell from this one: on both sides of each threshold."""
    edges = {rule.at_least - step for rule in RULES for step in (0, 1)}
    engineers = {answers.engineers, *edges} - {0}
    least = {rule.teams - step for rule in RULES for step in (0, 1)}
    teams = ({answers.teams, *least} | {few for few in edges if few < answers.teams}) - {0}
    subsets = [
        frozenset(some) for size in range(len(Reason) + 1) for some in combinations(Reason, size)
    ]
    for values in product(sorted(engineers), sorted(teams), Products, subsets):
        try:
            yield Answers(values[0], values[1], values[2], answers.hurts, values[3])
        except ScaffoldError:
            continue  # They cannot be true together.


def in_words(found: list[Way]) -> list[str]:
    """Ways to one result as short phrases; those that differ in one choice only are one phrase."""
    merged: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for way in found:
        added = [name for name, value in way.changes.items() if value is True]
        key = (
            *(way.changes.get(name) for name in ("engineers", "teams")),
            "products" in way.changes,
            len(added),
            *(name for name, value in way.changes.items() if value is False),
        )
        merged.setdefault(key, []).append(way.changes)
    return [_phrase(alike) for alike in merged.values()]


def _phrase(alike: list[dict[str, Any]]) -> str:
    first = alike[0]
    parts = [_counted(first[name], name) for name in ("engineers", "teams") if name in first]
    if "products" in first:
        kinds = [each for each in Products if any(way["products"] == each for way in alike)]
        parts.append(" or ".join(PRODUCTS[each] for each in kinds))
    added = [each.value for each in Reason if any(way.get(each) is True for way in alike)]
    if added:
        parts.append(f"a reason to carve ({_joined(added, 'or')})")
    taken = [each.value for each in Reason if first.get(each) is False]
    if taken:
        parts.append(f"no {_joined(taken, 'and no')}")
    return _joined(parts, "and")


def _joined(parts: list[str], last: str) -> str:
    return f" {last} ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def _counted(number: int, what: str) -> str:
    return f"{number} {what if number != 1 else what.removesuffix('s')}"
