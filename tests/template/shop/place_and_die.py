"""Place an order, and die before its n-th message to Postgres, or after the last.

python -m tests.shop.place_and_die N CUSTOMER PRODUCT
"""

import asyncio
import sys
from uuid import UUID

import pytest
from app import modules
from app.platform.database import create_engine
from app.platform.settings import load_settings
from app.platform.wiring import discover, wire

from .books import Purchase
from .trouble import Trouble, kill


async def main(at: int, order: Purchase) -> None:
    engine = create_engine(load_settings())
    wired = wire(discover(modules), engine)
    async with engine.connect():
        pass  # A new connection exchanges messages of its own.
    Trouble(pytest.MonkeyPatch()).expect(at, kill)
    await order.place(engine, wired)
    await kill(None)


asyncio.run(main(int(sys.argv[1]), Purchase(UUID(sys.argv[2]), UUID(sys.argv[3]))))
