"""How modules are found, built, and kept apart."""

from typing import TYPE_CHECKING

from app.platform.lazy import lazily
from app.platform.wiring.module_toml import read_modules
from app.platform.wiring.moved_toml import Move, moves_of, open_renames, parse_moves

if TYPE_CHECKING:
    from app.platform.wiring.discovery import discover
    from app.platform.wiring.interfaces import promises_of
    from app.platform.wiring.modules import Module, ModuleFolder
    from app.platform.wiring.observing import observe_call
    from app.platform.wiring.wiring import wire, Wired
else:  # What a module declares can be read without any of it.
    __getattr__ = lazily(
        __name__,
        {
            "discovery": ("discover",),
            "interfaces": ("promises_of",),
            "modules": ("Module", "ModuleFolder"),
            "observing": ("observe_call",),
            "wiring": ("wire", "Wired"),
        },
    )

__all__ = [
    "Module",
    "ModuleFolder",
    "Move",
    "Wired",
    "discover",
    "moves_of",
    "observe_call",
    "open_renames",
    "parse_moves",
    "promises_of",
    "read_modules",
    "wire",
]
