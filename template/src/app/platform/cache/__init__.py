"""What is kept for a while, beside the database."""

from app.platform.cache.cache import Cache, Cached
from app.platform.cache.store import CacheStore

__all__ = [
    "Cache",
    "CacheStore",
    "Cached",
]
