"""A cache in front of what is read often and changes seldom.

    self._products = cache.of("product", Product, ttl=60)            # Cache: ask for it in `build`
    await self._products.get(str(id), lambda: self._load(id))        # loads it once, whoever asks
    self._products.invalidate(tx, str(id))                           # in the transaction that changes

A change is seen behind its commit by every process that shares the store (one Redis, in CACHE_URL); in
memory, where each process has its own, when `ttl` is over. No value is ever older than its `ttl`.

A value counts only while its key has the version that it had before the value was loaded. Invalidating
gives the key a new one, so that an old value that is loaded meanwhile is stored in vain.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, TypeVar
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from app.platform.cache.store import CacheStore
from app.platform.database import in_transaction, opening, reading_primary, TransactionError, Tx
from app.platform.telemetry import metrics

T = TypeVar("T")

_LONGEST_LOAD = 30.0
"""Seconds after which a load is given up, so that nobody waits for one that never ends."""
_LEAST = 0.01
"""Seconds. What has less of its time left is not stored."""
_MARGIN = 5.0
"""Seconds by which a version outlives the values that were loaded before it."""
_LOCKED = 5.0
"""Seconds for which one process may keep the others from loading the same value."""
_POLL = 0.02


class Cache:
    """A module's cache. No module can reach the entries of another: their keys begin with its name."""

    def __init__(self, store: CacheStore, module: str) -> None:
        self._store, self._module = store, module
        self._names: set[str] = set()

    def of(self, name: str, kind: type[T], *, ttl: float) -> "Cached[T]":
        """Return the cache of one kind of values, frozen dataclasses or other types that JSON holds.

        `ttl` is how old a value may get, in seconds. Raises ValueError where it is not positive, and
        where the module has used the name already.
        """
        if ttl <= 0:
            raise ValueError(
                f"The ttl of {self._module}'s cache {name!r} must be more than 0 seconds."
            )
        if name in self._names:
            raise ValueError(f"{self._module} has two caches named {name!r}: rename one.")
        self._names.add(name)
        self._store.open()
        return Cached(self._store, f"{self._module}:{name}", TypeAdapter(kind), ttl)


class Cached(Generic[T]):
    """Values of one kind, each under a key."""

    def __init__(self, store: CacheStore, name: str, adapter: TypeAdapter[T], ttl: float) -> None:
        self._store, self._name, self._adapter, self._ttl = store, name, adapter, ttl
        self._loading: dict[str, tuple[bytes, asyncio.Task[T]]] = {}
        module, _, short = name.partition(":")
        self._hits, self._misses = (
            metrics.cache_reads.labels(module, short, outcome) for outcome in ("hit", "miss")
        )
        self._loads, self._failures = (
            metrics.cache_loads.labels(module, short, outcome) for outcome in ("done", "error")
        )

    async def get(self, key: str, load: Callable[[], Awaitable[T]]) -> T:
        """Return the value of a key; `load` it, from the primary, if it is not stored.

        However many ask for it meanwhile, it is loaded once, and what `load` raises goes to all of
        them. Without its store, the cache loads every time.
        Raises TransactionError inside a transaction, which has to see the data as they are.
        """
        if in_transaction():
            raise TransactionError(
                f"The cache {self._name} cannot be read inside a transaction, nor a read: read it "
                "before the block, or the table itself."
            )
        version, value = await self._find(key)
        if value is not None:
            self._hits.inc()
            return value[0]
        self._misses.inc()
        started, task = self._loading.get(key, (None, None))
        if task is None or started != version:
            task = asyncio.create_task(self._load(key, version, load))
            self._loading[key] = version, task
            task.add_done_callback(partial(self._has_loaded, key))
        # Shielded: whoever asked first may give up, and the others still wait.
        return await asyncio.shield(task)

    def invalidate(self, tx: Tx, key: str) -> None:
        """Let the value of a key be loaded anew once the transaction is committed."""
        tx.after_commit(partial(self._renew, key))

    async def _find(self, key: str) -> tuple[bytes, tuple[T] | None]:
        """Return the version of a key, and the value if one of that version is stored."""
        version, entry = await self._store.read(f"version:{self._name}:{key}", self._entry(key))
        stored, _, written = (entry or b"none ").partition(b" ")
        if stored == (version or b"first"):
            try:
                return stored, (self._adapter.validate_json(written, extra="forbid"),)
            except ValidationError:
                pass  # Another version of the code has stored it.
        return version or b"first", None

    async def _load(self, key: str, version: bytes, load: Callable[[], Awaitable[T]]) -> T:
        opening.set(None)  # It is no part of the request that asked first: others wait as well.
        async with self._store.lock(f"lock:{self._name}:{key}", _LOCKED) as locked:
            until = time.monotonic() + _LOCKED
            while self._store.is_shared:
                is_mine = await locked()
                version, value = await self._find(key)
                if value is not None:
                    return value[0]
                if is_mine or time.monotonic() > until:
                    break
                await asyncio.sleep(_POLL)
            begun = time.monotonic()
            # From the primary: the replica may not have what invalidated the old value.
            with reading_primary(), self._failures.count_exceptions():
                async with asyncio.timeout(_LONGEST_LOAD):
                    loaded = await load()
            self._loads.inc()
            if (left := begun + self._ttl - time.monotonic()) > _LEAST:
                entry = version + b" " + self._adapter.dump_json(loaded)
                await self._store.write(self._entry(key), entry, left)
            return loaded

    def _has_loaded(self, key: str, task: "asyncio.Task[T]") -> None:
        if self._loading.get(key, (b"", None))[1] is task:
            del self._loading[key]
        if not task.cancelled():
            task.exception()  # Nobody may be left to hear of it.

    async def _renew(self, key: str) -> None:
        self._loading.pop(key, None)
        version = uuid4().hex.encode()
        known = f"version:{self._name}:{key}"
        await self._store.replace(known, version, self._ttl + _MARGIN, self._entry(key))

    def _entry(self, key: str) -> str:
        return f"value:{self._name}:{key}"
