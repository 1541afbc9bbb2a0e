"""What a change of a module's contract breaks, while two releases run side by side.

Methods are called from another process only where the module is a service: arguments are written by the
older and read by the newer, results the other way round. Events and jobs wait in the queue, whatever the
module is: each release reads what the other has written.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from checks.contracts.narrowing import Reading, resolved
from checks.contracts.schemas import SOURCE

Document = Mapping[str, Any]
SERVICE = "x-service"
RETIRED = "x-retired"
TOO_SOON = "x-retired-too-soon"
"""What is retired on main, but was not yet in the newest release, by its tag."""
ANSWER = ("200", "content", "application/json", "schema")
BODY = ("requestBody", "content", "application/json", "schema")


class Break(NamedTuple):
    """What others cannot cope with."""

    subject: str
    """`billing.get_account`."""
    part: str
    """What of it: `.order_id`, `result.owed`, or nothing where it is gone. With the subject, this is
    the same for what several commits do to one thing."""
    text: str
    place: str
    """`src/app/modules/billing/__init__.py:Billing.get_account`, in the newer code if it is there."""


def compare(old: Mapping[str, Document], new: Mapping[str, Document]) -> list[Break]:
    """Return what breaks, of the contracts of all modules by name."""
    renamed = {former: name for name, each in new.items() if (former := each.get("x-former"))}
    breaks: list[Break] = []
    for name, before in sorted(old.items()):
        if "paths" in before:  # Else it is only said to be removed.
            after = new.get(name) or new.get(renamed.get(name, ""))
            if after is None or "paths" not in after:
                breaks += _gone_as_a_whole(name, before, after)
            else:
                breaks += _changed(name, before, after)
    return breaks


def unknown_retired(documents: Mapping[str, Document]) -> Iterator[tuple[str, str]]:
    """Yield modules and what they retire without having it."""
    for module, each in documents.items():
        if "paths" not in each:
            continue
        known = {*methods_of(each), *each["x-local"]}
        known.update(*(each[kind] for kind in ("x-events", "x-jobs", "x-errors")))
        yield from ((module, name) for name in each[RETIRED] if name not in known)


def methods_of(document: Document) -> dict[str, Any]:
    """Return the operations of a contract, by the name of the method."""
    return {path.rpartition("/")[2]: each["post"] for path, each in document["paths"].items()}


def _gone_as_a_whole(module: str, old: Document, new: Document | None) -> Iterator[Break]:
    """Callers in other processes stay. Jobs go along, where `moved.toml` says what becomes of them."""
    if new is None:
        why = "is gone with its module, which moved.toml does not remove"
        yield from _gone(module, old, [*old["x-events"], *old["x-jobs"]], why, old[SOURCE])
    if old[SERVICE] is not None:
        yield from _gone(module, old, methods_of(old), "is gone with its module", old[SOURCE])


def _gone(
    module: str, old: Document, names: Iterable[str], why: str, place: str
) -> Iterator[Break]:
    for name in sorted(names):
        text = f"{module}.{name} {why}."
        if name in old.get(TOO_SOON, ()):
            text += (
                f" It is retired, but {old[TOO_SOON][name]} does not say so: release that first."
            )
        elif name in old[RETIRED]:
            continue
        yield Break(f"{module}.{name}", "", text, place)


def _changed(module: str, old: Document, new: Document) -> Iterator[Break]:
    if old[SERVICE] is not None:
        yield from _methods(module, old, new)
        yield from _errors(module, old, new)
    yield from _events(module, old, new)
    yield from _jobs(module, old, new)


def _methods(module: str, old: Document, new: Document) -> Iterator[Break]:
    olds, news = methods_of(old), methods_of(new)
    for name in sorted(olds):
        if name not in news:
            why = new["x-local"].get(name)
            said = f"{why}: it cannot be called from elsewhere any more" if why else "is gone"
            place = f"{new[SOURCE]}.{name}"
            yield from _gone(module, old, [name], said, place)
            continue
        subject, place = f"{module}.{name}", news[name][SOURCE]
        one, other = (_at(each[name], *BODY) for each in (olds, news))
        for misfit in _reading(old, new, is_new_reader=True).misfits(one, other, "", place):
            text = f"{subject}: its argument {misfit.path[1:]} {misfit.why}."
            yield Break(subject, misfit.path, text, misfit.place)
        yield from _defaults(subject, place, old, new, one, other)
        one, other = (_at(each[name], "responses", *ANSWER) for each in (olds, news))
        for misfit in _reading(old, new, is_new_reader=False).misfits(one, other, "", place):
            text = f"{subject}: its result{misfit.path and ' '}{misfit.path} {misfit.why}."
            yield Break(subject, f"result{misfit.path}", text, misfit.place)


def _defaults(
    subject: str, place: str, old: Document, new: Document, one: Any, other: Any
) -> Iterator[Break]:
    """Arguments that a caller leaves out are not sent: the default is that of the release that answers."""
    olds, news = (
        resolved(body, each["components"]["schemas"])["properties"]
        for body, each in ((one, old), (other, new))
    )
    for name in sorted(olds.keys() & news.keys()):
        was, now = (each[name].get("default") for each in (olds, news))
        if "default" in olds[name] and "default" in news[name] and was != now:
            text = f"{subject}: its argument {name} is {now} where it is left out, and was {was}."
            yield Break(subject, f".{name} default", text, f"{place}.{name}")


def _errors(module: str, old: Document, new: Document) -> Iterator[Break]:
    for name, before in sorted(old["x-errors"].items()):
        after = new["x-errors"].get(name)
        if after is None:
            yield from _gone(module, old, [name], "is gone, and may be raised", before[SOURCE])
        elif lost := [each for each in before["bases"] if each not in after["bases"]]:
            text = f"{module}.{name} is no {lost[0]} any more, and may be caught as one."
            yield Break(f"{module}.{name}", "bases", text, after[SOURCE])


def _events(module: str, old: Document, new: Document) -> Iterator[Break]:
    for name, before in sorted(old["x-events"].items()):
        after = new["x-events"].get(name)
        if after is None:
            yield from _gone(module, old, [name], "is gone", before[SOURCE])
        else:
            yield from _queued(f"{module}.{name}", old, new, before, after)


def _jobs(module: str, old: Document, new: Document) -> Iterator[Break]:
    for name, before in sorted(old["x-jobs"].items()):
        after = new["x-jobs"].get(name)
        if after is None:
            why = "is gone, and may wait in the queue under this name"
            yield from _gone(module, old, [name], why, before[SOURCE])
        elif before["event"] is None or before["event"] != after["event"]:
            # The event itself is compared where it is published.
            yield from _queued(f"{module}.{name}", old, new, before, after)


def _queued(
    subject: str, old: Document, new: Document, before: Document, after: Document
) -> Iterator[Break]:
    """Each of two releases reads what the other has written: the newer first, and the older where it
    runs beside, or is gone back to."""
    seen = set()
    for is_new_reader, key in ((True, "reads"), (False, "writes")):
        reading = _reading(old, new, is_new_reader=is_new_reader)
        for misfit in reading.misfits(before[key], after[key], "", after[SOURCE]):
            if misfit.path not in seen:
                seen.add(misfit.path)
                text = f"{subject}: {misfit.path[1:] or 'it'} {misfit.why}."
                yield Break(subject, misfit.path or ".", text, misfit.place)


def _reading(old: Document, new: Document, *, is_new_reader: bool) -> Reading:
    return Reading(old["components"]["schemas"], new["components"]["schemas"], is_new_reader)


def _at(node: Any, *keys: str) -> Any:
    for key in keys:
        node = node[key]
    return node
