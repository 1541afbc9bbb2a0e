"""The bill on a terminal: counts first, then where."""

import textwrap
from collections.abc import Iterator, Sequence

from scaffold import screen
from scaffold.carving.bill import Bill
from scaffold.carving.changes import changes
from scaffold.carving.report import per_request, verdict
from scaffold.carving.walking import Call
from scaffold.contents import Place
from scaffold.deciding.answers import Reason

_WIDTH = 100
_SHOWN = 8
"""Lines of each group."""


def as_text(bill: Bill, because: Reason | None) -> str:
    """All of it, but for what a screen has no room for."""
    needed = changes(bill)
    head = f"The bill of carving {bill.module}: " + (
        f"{len(needed)} to change first" if needed else "clean"
    )
    lines = [screen.strong(head), *_calls(bill), *_values(bill), *_links(bill), *_chatty(bill)]
    lines += [screen.strong("What goes with it"), *_rows(list(_goes(bill)))]
    lines += [screen.strong("What operations get"), *_rows(bill.operations)]
    lines += ["", *map(screen.strong, _wrapped(verdict(bill, because, needed)))]
    for number, each in enumerate(needed if because else (), 1):
        lines += _wrapped(f"{number}. {each.sentence}", "  ", "   ")
        lines += [f"     {_at(place)}" for place in each.places[:_SHOWN]]
        if (more := len(each.places) - _SHOWN) > 0:
            lines.append(f"     and {more} more")
    return "\n".join(lines) + "\n"


def _group(title: str, count: int, lines: Sequence[str], none: str = "none") -> Iterator[str]:
    yield screen.strong(f"{title}: {count or none}")
    yield from (f"  {each}" for each in lines[:_SHOWN])
    if (more := len(lines) - _SHOWN) > 0:
        yield f"  and {more} more: --json lists all of them"


def _calls(bill: Bill) -> Iterator[str]:
    lost = bill.atomic
    lines = [
        f"{_at(each.place)}  {_who(bill, each)}, {bill.effects[each.callee, each.method]}"
        for each in lost
    ]
    lines += [f"{_at(each.place)}  {_who(bill, each)}, alone in its block" for each in bill.alone]
    lines += [
        f"{_at(each.place)}  {_who(bill, each)}, inside a transaction" for each in bill.inside
    ]
    lines += [f"{_at(each)}  {each.what}" for each in (*bill.jobs, *bill.past)]
    title = "Calls that would lose atomicity"
    yield from _group(title, len(lost), lines)
    if bill.tests:
        where = "at " if len(bill.tests) == 1 else f"{len(bill.tests)} times, first at "
        yield f"  tests call across with tx, {where}{_at(bill.tests[0].place)}"
    if bill.unused:
        yield f"  nobody else calls {', '.join(bill.unused)} (tx)"


def _who(bill: Bill, call: Call) -> str:
    perhaps = "" if call.certain else "perhaps "
    return f"{call.caller}: {perhaps}{call.callee}.{call.method}"


def _values(bill: Bill) -> Iterator[str]:
    lines = [
        f"{_at(each.place)}  {each.place.what}: {each.type} {each.why}"
        if each.kind == "value"
        else f"{_at(each.place)}  {each.place.what}: {each.why}"
        for each in bill.faults
    ]
    lines += [
        f"{_at(each.place)}  {each.caller} catches {name} there" for each, name in bill.caught
    ]
    yield from _group("Values and errors that cannot cross a wire", len(lines), lines)


def _links(bill: Bill) -> Iterator[str]:
    needs = ", ".join(f"{name} ({how})" for name, how in bill.needs.items()) or "nothing"
    needed = ", ".join(f"{name} ({how})" for name, how in bill.needed_by.items()) or "nobody"
    yield screen.strong("Dependencies" + (": in a circle" if bill.in_a_circle else ""))
    yield f"  it needs {needs}; it is needed by {needed}"
    lines = [
        f"{_at(each.place)}  {each.hearer} hears {each.publisher}.{each.event}"
        + (f" of {_where(each.published)}" if each.published else "")
        for each in bill.events
    ]
    yield from _group("Events that cross, later and perhaps twice", len(lines), lines)


def _chatty(bill: Bill) -> Iterator[str]:
    lines = [
        f"{_at(each.place)}  {_who(bill, each)}, in the loop of line {each.repeated}"
        for each in bill.chatty
    ]
    yield from _group("Calls in loops", len(lines), lines)
    if per := per_request(bill):
        told = ", ".join(f"{method} {number:g}" for method, number in per.items())
        yield f"  per request, its own routes included: {told}"
    elif bill.load:
        yield "  per request: the metrics have no request or no call of it yet"


def _goes(bill: Bill) -> Iterator[tuple[str, str]]:
    has, counts = bill.has, bill.counts
    if bill.tables:
        yield "tables", ", ".join(_table(bill, each.name) for each in bill.tables)
    lacking = [f"{each.name}: {', '.join(each.lacks)}" for each in bill.tables if each.lacks]
    if lacking:
        yield "replication", f"leaves behind: {'; '.join(lacking)}"
    if counts.unknown:
        yield "sizes", f"unknown: {counts.unknown}"
    if has.jobs:
        told = (f"{job} (by the clock: {cron})" if cron else job for job, cron in has.jobs.items())
        yield "jobs", ", ".join(told)
    if has.routes:
        yield "routes", ", ".join(has.routes)
    if bill.caches:
        yield "cache", ", ".join(bill.caches)
    if has.flags:
        yield "flags", ", ".join(has.flags)
    if has.objectives:
        yield "alerts", "on its objectives, and its rows of the dashboards, by its label"


def _table(bill: Bill, name: str) -> str:
    rows, size = bill.counts.rows.get(name), bill.counts.sizes.get(name)
    if rows is None:
        return name
    return f"{name} ({rows:,} {'row' if rows == 1 else 'rows'}, {_bytes(size or 0)})"


def _bytes(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1024:
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.1f} TB"


def _rows(pairs: Sequence[tuple[str, str]]) -> list[str]:
    width = max((len(name) for name, _ in pairs), default=0)
    return [
        line
        for name, told in pairs
        for line in _wrapped(f"{name:<{width}}  {told}", "  ", " " * (width + 2))
    ]


def _wrapped(text: str, indent: str = "", more: str = "") -> list[str]:
    wrapper = textwrap.TextWrapper(
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + more,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return wrapper.wrap(text)


def _at(place: Place) -> str:
    return f"{place.file}:{place.line}"


def _where(places: Sequence[Place]) -> str:
    return ", ".join(_at(each) for each in places)
