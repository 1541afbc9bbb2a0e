"""Names the implementation, and what it needs; the platform finds it by type."""

from app.platform.database import Database
from app.platform.jobs import Events
from app.platform.wiring import Module

from . import Catalog
from .jobs import prepare_item
from .routes import routes
from .service import CatalogService


def build(db: Database, events: Events) -> Catalog:
    return CatalogService(db, events)


module = Module(build, routes=routes, jobs=[prepare_item])
