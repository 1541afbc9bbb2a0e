"""Names the implementation, and what it needs; the platform finds it by type."""

from app.platform.database import Database
from app.platform.jobs import Events
from app.platform.wiring import Module

from . import Identity
from .routes import routes
from .service import IdentityService


def build(db: Database, events: Events) -> Identity:
    return IdentityService(db, events)


module = Module(build, routes=routes)
