"""Where modules call each other: in whose transaction, how often, and what is caught around it."""

from collections.abc import Mapping
from dataclasses import replace

from scaffold.carving import crossing
from scaffold.carving.interface import Interface
from scaffold.carving.scopes import Key
from scaffold.carving.sources import Sources
from scaffold.carving.types import Types
from scaffold.carving.walking import Call, Walk


def find(
    sources: Sources, types: Types, interfaces: Mapping[str, Interface], name: str
) -> list[Call]:
    """All calls from other code to a module, and from it to others."""
    found: list[Call] = []
    by_module: dict[str, list[Walk]] = {}
    later = crossing.later(sources)
    for source in (*sources, *sources.tests):
        if ".migrations." not in source.dotted:
            walk = Walk(source, types, interfaces, later)
            walk.visit(source.tree)
            by_module.setdefault(source.module or source.path, []).append(walk)
    for module, walks in by_module.items():
        repeated = _repeated(walks)
        for walk in walks:
            for key, call in walk.found:
                other = {call.callee, module}
                if name in other and len(other) == 2:
                    loop = call.repeated or repeated.get(key, 0)
                    found.append(replace(call, repeated=loop))
    return sorted(found, key=lambda call: (call.place, call.method))


def _repeated(walks: list[Walk]) -> dict[Key, int]:
    """The functions of a module that a loop of it reaches, each with the line of the loop."""
    found: dict[Key, int] = {}
    for walk in walks:
        for _, to, loop in walk.reached:
            if loop:
                found.setdefault(to, loop)
    while True:
        more = {
            to: found[key]
            for walk in walks
            for key, to, _ in walk.reached
            if key in found and to not in found
        }
        if not more:
            return found
        found |= more
