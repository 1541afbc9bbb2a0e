"""Names the implementation, and what it needs; the platform finds it by type."""

from app.modules.identity import CustomerRegistered
from app.platform.database import Database
from app.platform.jobs import Events
from app.platform.wiring import Module

from . import Billing
from .handlers import welcome_customer
from .jobs import audit_ledger
from .routes import routes
from .service import BillingService


def build(db: Database, events: Events) -> Billing:
    return BillingService(db, events)


module = Module(
    build,
    routes=routes,
    jobs=[audit_ledger],
    subscriptions={CustomerRegistered: welcome_customer},
)
