"""What this module does when another one says what happened.

An event may arrive twice, or late: a handler leaves things as if it had arrived once, in time.
"""

from sqlalchemy.dialects.postgresql import insert

from app.modules.billing import OrderCharged
from app.platform.database import Tx

from . import OrderStatus
from .tables import OrderRow, ShipmentRow


async def open_shipment(tx: Tx, event: OrderCharged) -> None:
    """Put an order on the packing list, unless it was cancelled meanwhile."""
    order = await tx.get(OrderRow, event.order_id, with_for_update=True, populate_existing=True)
    if order is not None and order.status == OrderStatus.CONFIRMED:
        shipment = insert(ShipmentRow).values(order_id=order.id)
        await tx.execute(shipment.on_conflict_do_nothing())
