"""How modules are found, built, and kept apart."""

from typing import TYPE_CHECKING

from app.platform.lazy import lazily
from app.platform.wiring.module_toml import read_modules, WiringError
from app.platform.wiring.moved_toml import Move, moves_of, open_renames, parse_moves

if TYPE_CHECKING:
    from app.platform.wiring.boundary import BoundaryCall, CallError
    from app.platform.wiring.discovery import discover
    from app.platform.wiring.interfaces import Promise, promises_of
    from app.platform.wiring.marks import idempotent
    from app.platform.wiring.modules import Module, ModuleFolder
    from app.platform.wiring.observing import observe_call
    from app.platform.wiring.placing import placed
    from app.platform.wiring.wiring import wire, Wired
else:  # What a module declares can be read without any of it.
    __getattr__ = lazily(
        __name__,
        {
            "boundary": ("BoundaryCall", "CallError"),
            "discovery": ("discover",),
            "interfaces": ("Promise", "promises_of"),
            "marks": ("idempotent",),
            "modules": ("Module", "ModuleFolder"),
            "observing": ("observe_call",),
            "placing": ("placed",),
            "wiring": ("wire", "Wired"),
        },
    )

__all__ = [
    "BoundaryCall",
    "CallError",
    "Module",
    "ModuleFolder",
    "Move",
    "Promise",
    "Wired",
    "WiringError",
    "discover",
    "idempotent",
    "moves_of",
    "observe_call",
    "open_renames",
    "parse_moves",
    "placed",
    "promises_of",
    "read_modules",
    "wire",
]
