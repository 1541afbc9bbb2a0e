"""Place orders, each in a process that dies before its n-th message to Postgres, or after the last.

python -m tests.shop.place_and_die CUSTOMER,PRODUCT ... prints how each ended.
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

from .books import Purchase
from .trouble import Trouble, kill

engine = create_engine(load_settings())
wired = wire(discover(modules), engine)


async def main(at: int, order: Purchase) -> None:
    async with engine.connect():
        pass  # A new connection exchanges messages of its own.
    Trouble(pytest.MonkeyPatch()).expect(at, kill)
    await order.place(engine, wired)
    await kill(None)


for at, order in enumerate(sys.argv[1:], start=1):
    if not (process := os.fork()):
        asyncio.run(main(at, Purchase(*map(UUID, order.split(",")))))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
