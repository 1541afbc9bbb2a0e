"""The map: which modules there are, what each offers, and what it depends on.

Drawn from the code, never by hand: as text for a terminal, as Mermaid and JSON for other tools, and
as a picture (see `map_svg`).
"""

import inspect
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape

from app.platform.wiring import ModuleFolder, promises_of


@dataclass(frozen=True)
class Method:
    """A method of an interface, and whether it joins its caller's transaction."""

    name: str
    parameters: Sequence[str]
    takes_tx: bool

    @property
    def short(self) -> str:
        """The method as one would write it on a whiteboard."""
        return f"{self.name}({'tx' if self.takes_tx else ''})"


@dataclass(frozen=True)
class MappedModule:
    """A module as the map shows it."""

    name: str
    interface: str
    owner: str
    layer: int
    """0 where it depends on nothing, else one more than the highest it depends on."""
    depends_on: Sequence[str]
    methods: Sequence[Method]
    listens_to: Sequence[str]
    """Names of events."""


def draw_map(folders: Sequence[ModuleFolder]) -> list[MappedModule]:
    """Return the modules of `discover` in layers from top to bottom, each layer by name."""
    layers: dict[str, int] = {}
    for folder in folders:  # Dependencies come first.
        layers[folder.name] = 1 + max((layers[name] for name in folder.depends_on), default=-1)
    return [
        MappedModule(
            folder.name,
            folder.interface.__name__,
            folder.owner,
            layers[folder.name],
            sorted(set(folder.depends_on)),
            _methods(folder.interface),
            sorted(event.__name__ for event in folder.declaration.subscriptions),
        )
        for folder in sorted(folders, key=lambda folder: (-layers[folder.name], folder.name))
    ]


def as_text(modules: Sequence[MappedModule]) -> str:
    """Draw the map for a terminal."""
    paragraphs = []
    for module in modules:
        needs = f"  → {', '.join(module.depends_on)}" if module.depends_on else ""
        lines = [f"{module.name}: {module.interface}  {module.owner}{needs}"]
        lines += [f"    {each.name}({', '.join(each.parameters)})" for each in module.methods]
        lines += [f"    on {event}" for event in module.listens_to]
        paragraphs.append("\n".join(lines) + "\n")
    return "\n".join(paragraphs) or "There are no modules yet.\n"


def as_mermaid(modules: Sequence[MappedModule]) -> str:
    """Draw the map as a Mermaid flowchart."""
    lines = ["flowchart TD"]
    for module in modules:
        said = [f"<b>{module.name}</b>", escape(module.owner), *(m.short for m in module.methods)]
        said += [f"on {event}" for event in module.listens_to]
        # Mermaid has keywords (`style`, `graph`), which no identifier may equal.
        lines.append(f'    m_{module.name}["{"<br>".join(said)}"]')
    for module in modules:
        lines += [f"    m_{module.name} --> m_{name}" for name in module.depends_on]
    return "\n".join(lines) + "\n"


def as_json(modules: Sequence[MappedModule]) -> str:
    """Write the map for other programs."""
    return json.dumps({"modules": [asdict(each) for each in modules]}, indent=2) + "\n"


def _methods(interface: type) -> list[Method]:
    """The methods of an interface, in the order of the source, inherited ones first."""
    return [
        Method(each.name, list(inspect.signature(each.function).parameters)[1:], each.joins)
        for each in promises_of(interface)
    ]
