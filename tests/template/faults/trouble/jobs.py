"""Jobs that take their time, and leave a note."""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path

from app.platform.database import Tx
from app.platform.jobs import job
from sqlalchemy import text

logger = logging.getLogger("app.trouble")


@dataclass(frozen=True)
class Note:
    """What a job writes, after so many seconds without a statement."""

    words: str
    seconds: float = 0


@job()
async def note(tx: Tx, note: Note) -> None:
    """Wait, then write."""
    await asyncio.sleep(note.seconds)
    await tx.execute(
        text("INSERT INTO trouble.notes (words) VALUES (:words)"), {"words": note.words}
    )


@job(deadline=600)
async def linger(_tx: Tx, note: Note) -> None:
    """Wait until there is a file, and say so: without the database."""
    while not Path(note.words).exists():
        await asyncio.sleep(0.05)
    logger.warning("lingered: %s", note.words)


@job(deadline=600)
async def hold(tx: Tx, note: Note) -> None:
    """Write, then wait, with a transaction open."""
    await tx.execute(
        text("INSERT INTO trouble.notes (words) VALUES (:words)"), {"words": note.words}
    )
    await asyncio.sleep(note.seconds)


JOBS = [note, linger, hold]
