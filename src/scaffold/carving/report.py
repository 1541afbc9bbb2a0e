"""What is said of it: the verdict, and all of it for scripts."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from scaffold.carving.bill import Bill
from scaffold.carving.changes import Change, changes
from scaffold.carving.walking import Call
from scaffold.contents import Place
from scaffold.deciding.answers import Reason

SCHEMA = 1
"""Of what `--json` prints. Keys may be added; a change of what is there raises it."""

REASONS = {
    Reason.ISOLATION: "it must not fail with the rest",
    Reason.SCALING: "it scales in a wildly different way",
    Reason.TECHNOLOGY: "it needs another technology",
    Reason.PARTNER: "partners build on it, for years",
}


def verdict(bill: Bill, because: Reason | None, needed: Sequence[Change]) -> str:
    """Whether to carve, in a sentence or two."""
    if because is None:
        return (
            f"Do not carve {bill.module}: you gave no reason, and a service costs one for ever. "
            "`scaffold decide` says whether there is one; then ask again with --because."
        )
    if not needed:
        return f"The bill is clean: {bill.module} can be carved, because {REASONS[because]}."
    number = "one thing has" if len(needed) == 1 else f"{len(needed)} things have"
    return f"Before {bill.module} is carved because {REASONS[because]}, {number} to change:"


def as_dict(bill: Bill, because: Reason | None) -> dict[str, Any]:
    """For scripts."""
    needed = changes(bill)
    return {
        "schema": SCHEMA,
        "module": bill.module,
        "because": because,
        "clean": not needed,
        "verdict": verdict(bill, because, needed),
        "changes": [
            {"kind": each.kind, "change": each.sentence, "places": list(map(_place, each.places))}
            for each in needed
        ],
        "calls": [_call(bill, each) for each in bill.calls],
        "tests": [
            {**_place(each.place), "callee": each.callee, "method": each.method}
            for each in bill.tests
        ],
        "unused": bill.unused,
        "values": [
            {**_place(each.place), "kind": each.kind, "type": each.type, "why": each.why}
            for each in bill.faults
        ],
        "dependencies": {
            "needs": bill.needs,
            "needed_by": bill.needed_by,
            "circle": bill.in_a_circle,
        },
        "events": [
            {
                "event": f"{each.publisher}.{each.event}",
                "hearer": each.hearer,
                **_place(each.place._replace(what="hears it")),
                "published": list(map(_place, each.published)),
            }
            for each in bill.events
        ],
        "per_request": per_request(bill),
        "goes": {
            **{k: v for k, v in asdict(bill.has).items() if k not in ("files", "tables")},
            "files": len(bill.has.files),
            "caches": bill.caches,
            "tables": [
                {
                    "name": each.name,
                    "rows": bill.counts.rows.get(each.name),
                    "bytes": bill.counts.sizes.get(each.name),
                    "not_replicated": each.lacks,
                }
                for each in bill.tables
            ],
            "unknown": bill.counts.unknown or None,
        },
        "operations": [{"what": what, "which": which} for what, which in bill.operations],
    }


def _place(place: Place) -> dict[str, Any]:
    return {"file": place.file, "line": place.line, "what": place.what}


def _call(bill: Bill, call: Call) -> dict[str, Any]:
    effects = bill.effects.get((call.callee, call.method))
    return {
        **_place(call.place),
        "caller": call.caller,
        "callee": call.callee,
        "method": call.method,
        "loses_atomicity": call.joins and not call.alone,
        "takes_tx": call.joins,
        "does": str(effects) if effects else None,
        "told": [_place(each) for each in effects.told] if effects else [],
        "loop": call.repeated or None,
        "certain": call.certain,
    }


def per_request(bill: Bill) -> dict[str, float] | None:
    """Calls of each method per request that was answered, its own routes' included."""
    load = bill.load
    if load is None or not load.requests:
        return None
    own = {method: n for (module, method), n in load.methods.items() if module == bill.module}
    return {method: round(n / load.requests, 3) for method, n in sorted(own.items()) if n}
