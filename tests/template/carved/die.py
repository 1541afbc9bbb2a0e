"""Do what deals are about, each in a process that dies before its n-th message to Postgres.

Reads them from its input, one a line: N KIND CUSTOMER PRODUCT ORDER. Prints how each ended.
"""

import asyncio
import os
import sys
from uuid import UUID

import pytest
from app import modules
from app.platform.database import create_engine
from app.platform.settings import load_settings
from app.platform.wiring import discover, wire
from tests.shop.trouble import Trouble, kill

from .accounts import Deal

AT_ONCE = 8
engine = create_engine(load_settings())
wired = wire(discover(modules), engine)


async def main(at: int, deal: Deal) -> None:
    async with engine.connect():
        pass  # A new connection exchanges messages of its own.
    Trouble(pytest.MonkeyPatch()).expect(at, kill)
    await deal.strike(wired)


def die(line: str) -> None:
    at, kind, customer, product, *placed = line.split()
    ids = (UUID(customer), UUID(product), *map(UUID, placed))
    asyncio.run(main(int(at), Deal(kind, *ids)))


if __name__ == "__main__":
    running = 0
    for line in sys.stdin:
        if not os.fork():
            die(line)
            os._exit(0)
        running += 1
        if running == AT_ONCE:
            print(os.waitstatus_to_exitcode(os.wait()[1]))
            running -= 1
    for _ in range(running):
        print(os.waitstatus_to_exitcode(os.wait()[1]))
