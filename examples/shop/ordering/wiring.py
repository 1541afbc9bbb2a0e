"""Names the implementation, and what it needs; the platform finds it by type."""

from app.modules.billing import Billing, OrderCharged
from app.modules.catalog import Catalog
from app.modules.identity import Identity
from app.platform.database import Database
from app.platform.flags import Flags
from app.platform.wiring import Module

from . import Ordering
from .handlers import open_shipment
from .routes import routes
from .service import OrderingService


def build(
    db: Database, flags: Flags, identity: Identity, catalog: Catalog, billing: Billing
) -> Ordering:
    return OrderingService(db, flags, identity, catalog, billing)


module = Module(build, routes=routes, subscriptions={OrderCharged: open_shipment})
