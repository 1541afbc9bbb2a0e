"""Databases that a test makes beside its own."""

import asyncio

import asyncpg


async def drop(admin_url: str, *names: str) -> None:
    """Drop databases once everybody has left: who closes a connection is there for a moment yet, and the
    admin may end no session of another login."""
    admin = await asyncpg.connect(admin_url)
    there = (
        "SELECT FROM pg_stat_activity WHERE datname = ANY($1) AND backend_type = 'client backend'"
    )
    try:
        async with asyncio.timeout(30):
            while await admin.fetch(there, names):
                await asyncio.sleep(0.005)
        for name in names:
            await admin.execute(f"DROP DATABASE {name}")
    finally:
        await admin.close()
