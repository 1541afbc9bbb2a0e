"""Jobs that take their time, and leave a note."""

import asyncio
from dataclasses import dataclass

from app.platform.database import Tx
from app.platform.jobs import job
from sqlalchemy import text


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


JOBS = [note]
