"""What has to change before a module is carved: a sentence for each thing, with its places."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scaffold.carving.bill import Bill
from scaffold.carving.interface import Effects
from scaffold.carving.walking import Call
from scaffold.contents import Place

_WITHOUT = (
    "A job or handler that begins with its arguments, and not with tx, has no transaction and may "
    "call it; all that it does may then happen twice."
)


@dataclass(frozen=True)
class Change:
    """One thing to change.

    Attributes:
        kind: the section of the bill that it is from, and of docs/carving.md.
        sentence: what to change.
        places: where.
    """

    kind: str
    sentence: str
    places: tuple[Place, ...]


def changes(bill: Bill) -> list[Change]:
    """All of it; none where the bill is clean."""
    return list(_changes(bill))


def _changes(bill: Bill) -> Iterator[Change]:
    yield from _atomic(bill)
    yield from _unknown(bill)
    for each in bill.past:
        yield Change(
            "interface", f"Go through the interface: {each.what} reaches past it.", (each,)
        )
    for each in bill.jobs:
        sentence = f"Offer a method or hear an event instead: one side {each.what} of the other."
        yield Change("atomicity", sentence, (each,))
    for fault in bill.faults:
        what = fault.place.what
        if fault.kind == "value":
            name = f"{bill.interface.name}.{what}"
            sentence = f"Pass values instead of {fault.type} ({name}), which {fault.why}."
        else:
            sentence = f"Make {fault.type} a DomainError, or keep it inside ({what})."
        yield Change("values" if fault.kind == "value" else "errors", sentence, (fault.place,))
    for call, name in bill.caught:
        sentence = (
            f"Let {call.method} raise a DomainError instead of {name}, which {call.caller} catches "
            "around it."
        )
        yield Change("errors", sentence, (call.place,))
    if bill.in_a_circle:
        yield _circle(bill)
    for (callee, method), calls in _grouped([each for each in bill.chatty if each.certain]).items():
        sentence = f"Ask once for all: {callee}.{method} is called in a loop; let it take many."
        yield Change("chatty", sentence, tuple(each.place for each in calls))


def _atomic(bill: Bill) -> Iterator[Change]:
    for key, calls in _grouped([each for each in bill.atomic if each.certain]).items():
        advice = _advice(bill.effects[key])
        effects = bill.effects[key]
        sentence = f"Take tx out of {'.'.join(key)}, which {effects}: {advice}"
        if any(each.in_job for each in calls):
            sentence += f" {_WITHOUT}"
        if bill.told_early(effects):
            sentence += " Others may hear of it before its caller commits, and where it never does."
        yield Change("atomicity", sentence, tuple(each.place for each in calls))
    for key, calls in _grouped(bill.alone).items():
        sentence = (
            f"Take tx out of {'.'.join(key)} and the block away that is there for it alone: "
            "nothing is lost."
        )
        yield Change("atomicity", sentence, tuple(each.place for each in calls))
    for key, calls in _grouped(bill.inside).items():
        sentence = (
            f"Call {'.'.join(key)} before or after the transaction: inside it is refused already."
        )
        if any(each.in_job for each in calls):
            sentence += f" {_WITHOUT}"
        yield Change("atomicity", sentence, tuple(each.place for each in calls))


def _unknown(bill: Bill) -> Iterator[Change]:
    for call in bill.calls:
        if not call.certain:
            sentence = (
                f"Say of which class the object is whose {call.method} is called: nothing tells "
                f"whether it is {call.callee}'s."
            )
            yield Change("atomicity", sentence, (call.place,))


def _advice(effects: Effects) -> str:
    if effects.writes:
        return (
            "call it before or after the block, make it safe to repeat, and say what undoes it "
            "when the rest fails."
        )
    if effects.locks:
        return "its locks go when it answers, so reserve by a row that can be taken back."
    return "ask before the block; it then sees what is committed."


def _circle(bill: Bill) -> Change:
    out = [each for each in bill.calls if each.caller == bill.module and each.certain]
    into = sorted(
        {each.caller for each in bill.calls if each.callee == bill.module and each.certain}
    )
    theirs = ", ".join(sorted({f"{each.callee}.{each.method}" for each in out}))
    sentence = (
        f"Turn {theirs} into an event that {bill.module} hears: it is called by {', '.join(into)}, "
        "and each would wait for the other."
    )
    return Change("dependencies", sentence, tuple(each.place for each in out))


def _grouped(calls: Sequence[Call]) -> dict[tuple[str, str], list[Call]]:
    found: dict[tuple[str, str], list[Call]] = {}
    for each in calls:
        found.setdefault((each.callee, each.method), []).append(each)
    return found
