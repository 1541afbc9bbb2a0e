"""Tests that call modules as if these were services of their own, any day before one is.

Calls between modules go through JSON; with `pytest --remote billing`, those of billing to another
process, which serves it on the database of the test. `conftest.py` begins it.
"""

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app import modules
from app.development.rehearsal_processes import Processes
from app.platform.errors import DomainError
from app.platform.jobs import BoundJob
from app.platform.remote import Codec, CodecError, Failures, Remote, UnreadableError
from app.platform.settings import parse_addresses, Settings
from app.platform.wiring import (
    BoundaryCall,
    ModuleFolder,
    promises_of,
    read_modules,
    wire,
    Wired,
)

Method = TypeVar("Method", bound=Callable[..., Any])

_SHOWN = 200
"""Characters of a value that does not survive."""


class Rehearsal:
    """What makes of the calls between modules what they would be between processes."""

    def __init__(self, remote: Sequence[str], *, in_json: bool) -> None:
        """Raises UsageError for a module that there is not."""
        known = [each.name for each in read_modules(modules)]
        if unknown := next((each for each in remote if each not in known), None):
            raise pytest.UsageError(
                f"--remote: there is no module {unknown}. There are {', '.join(known)}."
            )
        self._remote, self._in_json = remote, in_json
        self._processes: Processes | None = None
        self._clients: Remote | None = None
        self._elsewhere: frozenset[str] = frozenset()
        """The modules that another process serves for the test that runs."""

    @contextmanager
    def served(
        self, settings: Settings, folders: Sequence[ModuleFolder], test: Path
    ) -> Iterator[tuple[Settings, Path | None]]:
        """Serve modules to a test, but for those whose own test it is; yield the settings of who calls
        them, and the log of the processes."""
        apart = {
            folder.name: folder
            for folder in folders
            if folder.name in self._remote
            and folder.package.startswith("app.modules.")
            and not test.is_relative_to(folder.path)
        }
        if not apart:
            yield settings, None
            return
        if self._processes is None:
            _check(folders, apart.keys())
            self._processes = Processes()
        served = {name: _with_needs(name, folders, apart.keys()) for name in apart}
        with self._processes.serving(settings, served) as (changed, log):
            self._elsewhere = frozenset(apart)
            try:
                yield settings.model_copy(update=changed), log
            finally:
                self._elsewhere = frozenset()

    @asynccontextmanager
    async def connected(
        self, settings: Settings, folders: Sequence[ModuleFolder]
    ) -> AsyncIterator[None]:
        """Let `wire` find the modules that are served elsewhere, while the block lasts."""
        if not settings.remote_modules:
            yield
            return
        self._clients = Remote(settings, folders)
        try:
            yield
        finally:
            clients, self._clients = self._clients, None
            await clients.close()

    def wire(self, folders: Sequence[ModuleFolder], engine: AsyncEngine, **options: Any) -> Wired:
        """Wire modules as `wire` does; what one calls of another crosses as it would."""
        if self._clients is not None and "elsewhere" not in options:
            names = {folder.name for folder in folders}
            options |= {"served": names - self._elsewhere, "elsewhere": self._clients.client_of}
        if self._in_json:
            options["instrument"] = self._instrument(folders, options.get("instrument"))
        return wire(folders, engine, **options)

    def jobs(self, folders: Sequence[ModuleFolder], engine: AsyncEngine) -> dict[str, BoundJob]:
        """Return the jobs of modules that are served elsewhere, where a worker of theirs would run."""
        if not self._elsewhere:
            return {}
        jobs = wire(folders, engine).jobs
        return {name: job for name, job in jobs.items() if job.module in self._elsewhere}

    def turn_on(self, key: str) -> None:
        """Turn a flag on in the other processes, too."""
        if self._elsewhere and self._processes is not None:
            self._processes.turn_on(key)

    def close(self) -> None:
        """End the processes."""
        if self._processes is not None:
            self._processes.close()

    def _instrument(
        self, folders: Sequence[ModuleFolder], other: Callable[..., Any] | None
    ) -> Callable[[BoundaryCall, Method], Method]:
        interfaces = {folder.name: folder.interface for folder in folders}
        failures = cache(lambda: Failures(folders))

        def instrument(call: BoundaryCall, method: Method) -> Method:
            if call.is_async and not call.joins and call.module not in self._elsewhere:
                method = _in_json(call, interfaces[call.module], method, failures)
            return method if other is None else other(call, method)

        return instrument


class Gateway(httpx.AsyncBaseTransport):
    """Brings a request to whoever serves the module in its path, as the one of a cluster does."""

    def __init__(self, here: httpx.AsyncBaseTransport, settings: Settings) -> None:
        self._here = here
        addresses = parse_addresses(settings.remote_modules).items()
        self._addresses = {name.replace("_", "-"): each for name, each in addresses}
        # Most tests have nobody there, and this reads all certificates that there are.
        self._there = httpx.AsyncHTTPTransport() if addresses else here

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        address = self._addresses.get(request.url.path.split("/")[1])
        if address is None:
            return await self._here.handle_async_request(request)
        request.url = httpx.URL(address).join(request.url.raw_path.decode())
        return await self._there.handle_async_request(request)

    async def aclose(self) -> None:
        await self._there.aclose()


def _check(folders: Sequence[ModuleFolder], names: Collection[str]) -> None:
    """End the run where an interface cannot cross: each test would say so."""
    for folder in folders:
        if folder.name in names:
            for promise in promises_of(folder.interface):
                try:
                    if not promise.joins:
                        Codec(folder.name, promise)
                except CodecError as error:
                    pytest.exit(f"--remote: {error}.", 1)


def _with_needs(
    name: str, folders: Sequence[ModuleFolder], elsewhere: Collection[str]
) -> list[str]:
    """Return a module and what it calls, which no process serves to others: the tests' own does not."""
    needs = {folder.name: folder.depends_on for folder in folders}
    found, reached = [], [name]
    while reached:
        each = reached.pop()
        if each not in found and (each == name or each not in elsewhere):
            found.append(each)
            reached += needs[each]
    return found


@cache
def _codec(module: str, interface: type, method: str) -> Codec | None:
    """Return what writes and reads the calls of a method, or None for one that cannot cross."""
    [promise] = [each for each in promises_of(interface) if each.name == method]
    try:
        return Codec(module, promise)
    except CodecError:
        return None


def _in_json(
    call: BoundaryCall, interface: type, method: Method, failures: Callable[[], Failures]
) -> Any:
    """Return a method that gets and gives what is left of a value behind JSON."""
    name = f"{call.module}.{call.method}"

    def crossed(write: Callable[[], bytes], read: Callable[[bytes], Any], what: object) -> Any:
        try:
            return read(write())
        except (UnreadableError, TypeError, ValueError) as error:
            shown = repr(what)
            shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
            # No exception that somebody might catch.
            pytest.fail(
                f"{name}: `{shown}` would not survive the way to another process: {error}. It has "
                f"to be what {interface.__name__} says. `rehearse = false` in pyproject.toml, below "
                "[tool.pytest.ini_options], leaves calls as they are."
            )

    @wraps(method)
    async def cross(*args: Any, **kwargs: Any) -> Any:
        codec = _codec(call.module, interface, call.method)
        if codec is None or (bound := _bound(codec, args, kwargs)) is None:
            return await method(*args, **kwargs)
        args, kwargs = crossed(
            lambda: codec.write_arguments(args, kwargs), codec.read_arguments, bound
        )
        try:
            result = await method(*args, **kwargs)
        except DomainError as error:
            raise failures().read(failures().write(error)) or error from error
        return crossed(lambda: codec.write_result(result), codec.read_result, result)

    return cross


def _bound(codec: Codec, args: Any, kwargs: Any) -> dict[str, Any] | None:
    """Return arguments by name, or None where the method does not take them: the boundary says so."""
    try:
        return codec.signature.bind(*args, **kwargs).arguments
    except TypeError:
        return None
