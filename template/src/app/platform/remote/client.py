"""Clients of modules that other processes serve, derived from their Protocols."""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from functools import update_wrapper
from types import SimpleNamespace
from typing import Any

import anyio

from app.platform.remote.calling import RemoteMethod
from app.platform.remote.codec import Codec, CodecError
from app.platform.remote.exchange import Exchange
from app.platform.remote.failures import Failures
from app.platform.remote.signing import Signer
from app.platform.settings import (
    parse_addresses,
    parse_keys,
    parse_names,
    parse_timeouts,
    Settings,
)
from app.platform.timeouts import REMOTE
from app.platform.wiring import CallError, ModuleFolder, Promise, promises_of, WiringError


class Remote:
    """The modules that other processes serve: clients that do what the modules would, and the
    connections that they share."""

    def __init__(self, settings: Settings, folders: Sequence[ModuleFolder]) -> None:
        self._addresses = parse_addresses(settings.remote_modules)
        self._timeouts = parse_timeouts(settings.remote_timeouts)
        self._off = frozenset(parse_names(settings.remote_off))
        self._most = settings.remote_concurrency
        self._signer = Signer(parse_keys(settings.remote_keys))
        self._failures = Failures(folders)
        self._exchanges: list[Exchange] = []

    def client_of(self, folder: ModuleFolder) -> object | None:
        """Return what is called instead of a module that is elsewhere; None for any other.

        Raises WiringError where a method cannot be called from another process.
        """
        if (address := self._addresses.get(folder.name)) is None:
            return None
        promises = promises_of(folder.interface)
        exchange, limiter = Exchange(address), anyio.CapacityLimiter(self._most)
        self._exchanges.append(exchange)
        methods = {}
        for each in promises:
            if each.joins:
                methods[each.name] = _refusing(folder.name, each)
                continue
            try:
                codec = Codec(folder.name, each)
            except CodecError as error:
                raise WiringError(f"{error}, or serve {folder.name} here: see MODULES.") from None
            name = f"{folder.name}.{each.name}"
            method = RemoteMethod(
                folder.name,
                each,
                codec,
                exchange,
                limiter,
                self._timeouts.get(name, self._timeouts.get(folder.name, REMOTE)),
                not self._off.isdisjoint((folder.name, name)),
                self._signer,
                self._failures,
            )
            methods[each.name] = _calling(method, codec, each)
        return SimpleNamespace(**methods)

    async def close(self) -> None:
        """Close the connections."""
        for each in self._exchanges:
            await each.close()


def _calling(method: RemoteMethod, codec: Codec, promise: Promise) -> Callable[..., Any]:
    """Return what callers of a method get."""

    def call(*arguments: Any, **named: Any) -> Awaitable[Any]:
        # Written here, where the boundary sees a call that does not fit.
        return method.call(codec.write_arguments(arguments, named))

    return _disguised(call, promise)


def _refusing(module: str, promise: Promise) -> Callable[..., Any]:
    """Return what stands for a method that takes `tx`: no transaction reaches another process."""

    def refuse(*_arguments: Any, **_named: Any) -> None:
        raise CallError(
            f"{module}.{promise.name} joins its caller's transaction, and {module} runs in another "
            "process, which no transaction reaches: take `tx` out of the method and call it outside "
            f"of the block, or serve {module} here: see docs/services.md."
        )

    return _disguised(refuse, promise)


def _disguised(function: Callable[..., Any], promise: Promise) -> Callable[..., Any]:
    """Return a function under the name and with the parameters of a method of the interface."""
    parameters = list(inspect.signature(promise.function).parameters.values())[1:]
    update_wrapper(function, promise.function)
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return function
