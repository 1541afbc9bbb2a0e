import asyncio
from uuid import UUID

import pytest

from app.platform.database import Database

from .. import Customer, CustomerClosed, CustomerNotFound, EmailTaken, Identity

ADA, EVE = "ada", "eve"
UNKNOWN = UUID("00000000-0000-7000-8000-000000000000")


async def register(identity: Identity, db: Database, email: str = "ada@example.org") -> Customer:
    async with db.transaction() as tx:
        return await identity.register_customer(tx, ADA, email, "Ada")


async def test_a_registered_customer_can_be_read(identity: Identity, db: Database) -> None:
    ada = await register(identity, db)
    assert await identity.get_customer(ADA, ada.id) == ada
    assert (ada.email, ada.name, ada.is_closed) == ("ada@example.org", "Ada", False)


async def test_an_address_is_taken_in_whatever_case(identity: Identity, db: Database) -> None:
    await register(identity, db, "ada@example.org")
    with pytest.raises(EmailTaken, match="this address"):
        await register(identity, db, "Ada@Example.org")


async def test_an_unknown_customer_is_not_found(identity: Identity, db: Database) -> None:
    with pytest.raises(CustomerNotFound):
        await identity.get_customer(ADA, UNKNOWN)
    with pytest.raises(CustomerNotFound):
        async with db.transaction() as tx:
            await identity.hold_customer(tx, ADA, UNKNOWN)
    with pytest.raises(CustomerNotFound):
        async with db.transaction() as tx:
            await identity.close_customer(tx, UNKNOWN)


async def test_a_customer_does_not_exist_for_others(identity: Identity, db: Database) -> None:
    ada = await register(identity, db)
    with pytest.raises(CustomerNotFound):
        await identity.get_customer(EVE, ada.id)
    with pytest.raises(CustomerNotFound):
        async with db.transaction() as tx:
            await identity.hold_customer(tx, EVE, ada.id)


async def test_a_closed_customer_may_not_act(identity: Identity, db: Database) -> None:
    ada = await register(identity, db)
    for _ in range(2):
        async with db.transaction() as tx:
            await identity.close_customer(tx, ada.id)
    assert (await identity.get_customer(ADA, ada.id)).is_closed
    with pytest.raises(CustomerClosed):
        async with db.transaction() as tx:
            await identity.hold_customer(tx, ADA, ada.id)


async def test_many_may_hold_a_customer_at_once(identity: Identity, db: Database) -> None:
    ada = await register(identity, db)
    everybody = asyncio.Barrier(3)

    async def hold() -> None:
        async with db.transaction() as tx:
            await identity.hold_customer(tx, ADA, ada.id)
            await everybody.wait()

    async with asyncio.timeout(30):
        await asyncio.gather(*(hold() for _ in range(3)))


async def test_a_customer_is_not_closed_while_somebody_holds_them(
    identity: Identity, db: Database
) -> None:
    ada = await register(identity, db)

    held = asyncio.Event()

    async def close() -> None:
        await held.wait()
        async with db.transaction() as tx:
            await identity.close_customer(tx, ada.id)

    closing = asyncio.create_task(close())
    async with db.transaction() as tx:
        await identity.hold_customer(tx, ADA, ada.id)
        held.set()
        done, _ = await asyncio.wait({closing}, timeout=0.1)
        assert not done
    await closing
    assert (await identity.get_customer(ADA, ada.id)).is_closed
