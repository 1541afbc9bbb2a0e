"""What flagd's rules are made of, and what a rule must be told of those it is asked about.

JsonLogic takes what is missing for 0, which is less than 18. A flag must not be on by a guess, so what
cannot be compared is an error here.
"""

from collections.abc import Callable, Iterator
from math import isnan
from typing import Any

from openfeature.contrib.tools.flagd.core.targeting.targeting import OPERATORS

USER = "targetingKey"
"""What rules call the user."""
_OVER_ITEMS = ("filter", "map", "reduce", "all", "some", "none")
"""In whose second part a `var` speaks of an item."""
OPERATIONS = OPERATORS.keys() | {"if", "?:", "and", "or", *_OVER_ITEMS}
"""What the evaluator knows. It finds out only when it comes to one."""
_KNOWN = ("$flagd.flagKey", "$flagd.timestamp")

FEWEST = dict.fromkeys(("==", "!=", "===", "!==", "<", "<=", ">", ">=", "in"), 2)
FEWEST |= {**dict.fromkeys(_OVER_ITEMS, 2), "!": 1, "!!": 1, "%": 2, "/": 2}
"""How many parts an operation needs that makes something of those that are missing."""
_ITEMS = "$items"

Operator = Callable[..., Any]


def attributes_of(rule: object) -> frozenset[str]:
    """Return the attributes that a rule cannot be evaluated without: those that it neither has a
    default for nor asks for with `missing`. Raises ValueError for a `var` whose name is computed."""
    return frozenset(_names_of(rule)) - frozenset(_KNOWN)


def with_items_checked(rule: Any) -> Any:
    """Return a rule that fails where it looks at items and there is no list of them, or one lacks what
    the rule says of it: nobody has none of the items that were not said."""
    if isinstance(rule, list):
        return [with_items_checked(each) for each in rule]
    if not isinstance(rule, dict):
        return rule
    checked = {name: with_items_checked(parts) for name, parts in rule.items()}
    for operation in checked.keys() & set(_OVER_ITEMS):
        items, about, *rest = checked[operation]
        names = _names_of(rule[operation][1])
        if operation == "reduce":
            names = {each.partition(".")[2] for each in names if each.startswith("current.")}
        checked[operation] = [{_ITEMS: [items, *sorted(names - {""})]}, about, *rest]
    return checked


def _items(_data: object, items: object, *names: str) -> object:
    if not isinstance(items, list):
        raise TypeError(f"items are looked for in {_kind(items)}")
    for name in names:
        if any(OPERATORS["var"](item, name) is None for item in items):
            raise TypeError(f"it speaks of {name} of items, not all of which have it")
    return items


def _names_of(rule: object) -> set[str]:
    return {*_asked(rule, "var")} - {*_asked(rule, "missing")}


def _asked(rule: object, how: str) -> Iterator[str]:
    """Find the names that a rule mentions by `var`, or by `missing` and `missing_some`."""
    if isinstance(rule, list):
        for each in rule:
            yield from _asked(each, how)
    if not isinstance(rule, dict):
        return
    for operation, value in rule.items():
        parts = value if isinstance(value, list) else [value]
        if operation == "var":
            name, *default = parts or [""]
            if isinstance(name, dict | list):
                raise ValueError("has a var whose name is computed: write it out")
            if how == "var" and not default:
                yield str(name)
            parts = default
        elif operation in ("missing", "missing_some") and how == "missing":
            names = parts[-1] if parts and isinstance(parts[-1], list) else parts
            yield from (each for each in names if isinstance(each, str))
        elif operation == "fractional" and how == "var" and isinstance(next(iter(parts), []), list):
            yield USER
        elif operation in _OVER_ITEMS:
            parts = [*parts[:1], *parts[2:]]
        yield from _asked(parts, how)


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, float) and isnan(value):
        raise TypeError("what is no number is compared")
    return "number" if isinstance(value, int | float) else type(value).__name__


def _same(operator: Operator, *, is_order: bool = False) -> Operator:
    """Let an operator compare values of one kind, or with null, which has no place in an order."""

    def compare(data: object, *values: object) -> object:
        if is_order and None in values:
            raise TypeError("null is ordered")
        kinds = {_kind(each) for each in values if each is not None}
        if len(kinds) > 1:
            raise TypeError(f"{' and '.join(sorted(kinds))} are compared")
        return operator(data, *values)

    return compare


def _in(operator: Operator) -> Operator:
    """Let an operator look for a text in a text, or for a value among some of its kind."""

    def find(data: object, value: object = None, among: object = None, *_rest: object) -> object:
        kinds = {_kind(each) for each in among} if isinstance(among, list) else {_kind(among)}
        if kinds and _kind(value) not in kinds:
            raise TypeError(f"{_kind(value)} is looked for in {' and '.join(sorted(kinds))}")
        return operator(data, value, among)

    return find


# The evaluator takes its operators from this table.
OPERATORS |= {name: _same(OPERATORS[name]) for name in ("==", "!=", "===", "!==")}
OPERATORS |= {name: _same(OPERATORS[name], is_order=True) for name in ("<", "<=", ">", ">=")}
OPERATORS["in"] = _in(OPERATORS["in"])
OPERATORS[_ITEMS] = _items
