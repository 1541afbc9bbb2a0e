"""The books of a shop whose billing is a service: all that customers were told, order by order."""

import asyncio
from collections import defaultdict
from decimal import Decimal

import asyncpg
from customers import STOCK, Load


async def balance(url: str, load: Load, billing: str | None = None) -> None:
    """Wait until every order is settled, a minute later, and check that all agree on each.

    As admins: of the shop's database, and of billing's own, where that has another one.
    """
    shop = await asyncpg.connect(url)
    own = await asyncpg.connect(billing) if billing else shop
    try:
        for admin in {shop, own}:
            await _jobs_done(admin)
        rows = await shop.fetch(
            """SELECT o.id, o.status, count(s.order_id) AS shipments,
              (SELECT sum(quantity * unit_price) FROM ordering.order_lines WHERE order_id = o.id) AS total
            FROM ordering.orders o LEFT JOIN ordering.shipments s ON s.order_id = o.id
            WHERE o.customer_id = ANY($1::uuid[]) GROUP BY o.id""",
            load.customers,
        )
        entries = defaultdict(list)
        whose = "WHERE customer_id = ANY($1::uuid[])"
        for each in await own.fetch(f"SELECT * FROM billing.entries {whose}", load.customers):
            entries[each["order_id"]].append(each)
        for row in rows:
            kinds = sorted(each["kind"] for each in entries[row["id"]])
            charged = sum((each["amount"] for each in entries[row["id"]]), Decimal(0))
            if row["status"] == "confirmed":
                assert (kinds, charged, row["shipments"]) == (["charge"], row["total"], 1), row
            else:
                assert row["status"] == "cancelled", row
                assert kinds in (["charge", "refund"], ["refund"]), row
                assert (charged, row["shipments"]) == (0, 0), row
        assert {str(row["id"]) for row in rows} >= load.orders
        unknown = sum(each.is_unknown and each.method == "POST" for each in load.answers)
        assert len(rows) <= len(load.orders) + unknown
        confirmed = sum(row["status"] == "confirmed" for row in rows)
        stock = await shop.fetchval(
            "SELECT stock FROM catalog.products WHERE id = $1::uuid", load.product
        )
        assert stock == STOCK - confirmed
        paid = sum(each["kind"] == "payment" for each in entries[None])
        assert load.paid <= paid <= load.paid + unknown
        owed = await own.fetchval(f"SELECT sum(owed) FROM billing.accounts {whose}", load.customers)
        assert owed * 100 == confirmed - paid
    finally:
        await own.close()
        await shop.close()


async def _jobs_done(admin: asyncpg.Connection) -> None:
    async with asyncio.timeout(180):
        while await admin.fetchval("SELECT count(*) FROM queue.pgqueuer"):
            await admin.execute(
                "UPDATE queue.pgqueuer SET execute_after = now() WHERE status = 'queued'"
            )
            await asyncio.sleep(0.2)
