"""What `app carve status` says: both sides, the stream, and what is safe to do next."""

from contextlib import suppress
from dataclasses import asdict
from typing import Any

from app.platform.carving.copying import copies
from app.platform.carving.ends import Ends, UnreachableEndError
from app.platform.carving.facts import Facts, read_facts
from app.platform.carving.proof import noted_proof
from app.platform.carving.settling import stand
from app.platform.carving.states import faults, NEXT, Standing
from app.platform.database import HAS_GATES

_MOVING = "SELECT module FROM carving.gates WHERE coalesce(peer, $1) = $1 ORDER BY module"


async def moving(ends: Ends) -> list[str]:
    """Return the modules whose data move, or have, between these two databases, and no third."""
    if not await ends.main.session.fetchval(HAS_GATES):
        return []
    rows = await ends.main.session.fetch(_MOVING, await ends.own.identity())
    return [each["module"] for each in rows]


async def report(ends: Ends, module: str) -> dict[str, Any]:
    """Return how things stand, for people and scripts. It changes nothing, and waits for nobody."""
    standing = await stand(ends, module)
    wrong = [each.what for each in faults(standing)]
    source, target = ends.toward(own=not standing.source.is_own)
    tables: list[dict[str, Any]] = []
    if standing.target.subscription is not None:
        tables = [asdict(each) for each in await copies(source, target, module)]
    proof = None
    if standing.open is not None:
        proof = await noted_proof(source, module)
    slot = standing.source.slot
    return {
        "module": module,
        "state": str(standing.state),
        "open": None if standing.open is None else _name(standing.open),
        "next": NEXT[standing.state].format(module),
        "wrong": wrong,
        "sides": {_name(each): _side(each) for each in (standing.main, standing.own)},
        "stream": _stream(standing, slot, tables),
        "proof": None
        if proof is None
        else {"is_equal": proof["is_equal"], "taken": proof["taken"].isoformat()},
    }


async def half_a_report(ends: Ends, module: str, error: UnreachableEndError) -> dict[str, Any]:
    """Return what the side says that answers."""
    sides = {}
    for end, other in ((ends.main, ends.own), (ends.own, ends.main)):
        with suppress(AttributeError):
            sides["own" if end.is_own else "main"] = _side(await read_facts(end, other, module))
    return {
        "module": module,
        "state": "unknown",
        "open": None,
        "next": "Bring it back: until then nothing is changed. See docs/carving-data.md.",
        "wrong": [str(error)],
        "sides": sides,
        "stream": None,
        "proof": None,
    }


def _name(side: Facts) -> str:
    return "own" if side.is_own else "main"


def _side(side: Facts) -> dict[str, Any]:
    return {
        "gate": side.gate and str(side.gate),
        "is_open": side.is_open,
        "tables": len(side.tables),
        "fenced": sum(side.tables.values()),
    }


def _stream(standing: Standing, slot: Any, tables: list[dict[str, Any]]) -> dict[str, Any] | None:
    stream = standing.target.subscription
    if stream is None and slot is None:
        return None
    return {
        "from": _name(standing.source),
        "to": _name(standing.target),
        "runs": stream is not None and stream.runs,
        "failed": 0 if stream is None else stream.failed,
        "behind_bytes": None if slot is None else slot.behind,
        "kept_bytes": None if slot is None else slot.kept,
        "wal_status": None if slot is None else slot.wal_status,
        "tables": tables,
    }
