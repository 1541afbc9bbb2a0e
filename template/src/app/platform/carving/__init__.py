"""Moves the data of a module to a database of its own, and back, while it is used: `app carve`."""

from app.platform.carving.confirming import confirm
from app.platform.carving.connecting import connected
from app.platform.carving.copying import begin_copy, stop, TableCopy, watch_copy
from app.platform.carving.cutting import Cut, cut, go_back
from app.platform.carving.ends import End, Ends, ends_of, UnreachableEndError
from app.platform.carving.errors import CarvingError
from app.platform.carving.facts import read_facts, Slot
from app.platform.carving.looking import look, Looked
from app.platform.carving.looking_tables import Finding
from app.platform.carving.proof import Compared, differences
from app.platform.carving.proving import prove
from app.platform.carving.reporting import half_a_report, moving, report
from app.platform.carving.states import Standing, State

__all__ = [
    "CarvingError",
    "Compared",
    "Cut",
    "End",
    "Ends",
    "Finding",
    "Looked",
    "Slot",
    "Standing",
    "State",
    "TableCopy",
    "UnreachableEndError",
    "begin_copy",
    "confirm",
    "connected",
    "cut",
    "differences",
    "ends_of",
    "go_back",
    "half_a_report",
    "look",
    "moving",
    "prove",
    "read_facts",
    "report",
    "stop",
    "watch_copy",
]
