"""The end of a move: what is left of a module in the database that it came from goes, for good."""

from pathlib import Path

from app.platform.carving.archiving import archive
from app.platform.carving.copying import drop_tables
from app.platform.carving.ends import Ends
from app.platform.carving.errors import CarvingError
from app.platform.carving.proof import noted_proof
from app.platform.carving.ready import check_queue_is_left
from app.platform.carving.settling import settle
from app.platform.carving.streams import drop_stream, Say
from app.platform.database import Gate

_OUTSIDE = """SELECT conrelid::regclass::text || '.' || conname FROM pg_constraint
    JOIN pg_class AS referred ON referred.oid = confrelid JOIN pg_class AS referring ON referring.oid = conrelid
    WHERE contype = 'f' AND referred.relnamespace = to_regnamespace(quote_ident($1))
        AND referring.relnamespace <> referred.relnamespace"""


async def confirm(ends: Ends, to_own: bool, module: str, folder: Path | None, say: Say) -> int:
    """Drop stream and tables of the side that takes no writes any more; return the rows that were archived.

    Raises CarvingError where it takes them, or was never found equal to the other.
    """
    source, target = ends.toward(own=to_own)
    standing, done = await settle(ends, module)
    if done:
        say(done)
    if standing.source.is_own is not to_own:
        raise CarvingError(
            f"{source.name.capitalize()} takes the writes of {module}: `app carve "
            f"{'cut' if to_own else 'back'} {module}` is first."
        )
    if not standing.target.tables and standing.target.gate is not Gate.CLOSED:
        raise CarvingError(
            f"{source.name.capitalize()} has nothing of {module} any more: it is confirmed."
        )
    proof = await noted_proof(target, module)
    if proof is None or not proof["is_equal"]:
        why = "were not equal when they were compared" if proof else "were never compared"
        raise CarvingError(
            f"Both sides {why}: `app carve {'back' if to_own else 'cut'} {module}` returns, and "
            f"`app carve status {module} --proof` compares them again."
        )
    if outside := [each[0] for each in await source.session.fetch(_OUTSIDE, module)]:
        raise CarvingError(
            f"Tables outside {module} refer to it: {', '.join(outside)}. Drop these keys."
        )
    await check_queue_is_left(source, module)
    rows = 0 if folder is None else await archive(source, module, folder, say)
    await drop_stream(target, source, module)
    await drop_tables(source, module)
    say(f"{source.name.capitalize()} has nothing of {module} any more.")
    return rows
