"""How modules are found, built, and kept apart."""

from app.platform.wiring.discovery import discover
from app.platform.wiring.interfaces import promises_of
from app.platform.wiring.observing import observe_call
from app.platform.wiring.wiring import Module, ModuleFolder, wire, Wired

__all__ = [
    "Module",
    "ModuleFolder",
    "Wired",
    "discover",
    "observe_call",
    "promises_of",
    "wire",
]
