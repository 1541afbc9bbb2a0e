"""Names the implementation, and what it needs; the platform finds it by type."""

from app.platform.cache import Cache
from app.platform.database import Database
from app.platform.wiring import Module

from . import Catalog
from .routes import routes
from .service import CatalogService


def build(db: Database, cache: Cache) -> Catalog:
    return CatalogService(db, cache)


module = Module(build, routes=routes)
