"""A network that fails: what passes through it can be silenced, delayed, cut, and slow to connect."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit


class TcpProxy:
    """Forwards connections on a free port of 127.0.0.1. Its attributes count from the next bytes on.

    Used from tests that are not asynchronous: it runs in a thread of its own.
    """

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self.delay = 0.0
        """Seconds by which whatever is sent is late."""
        self.slow_connect = 0.0
        """Seconds until a new connection is forwarded."""
        self.connections = 0
        """How many were made until now."""
        self.attempts = 0
        """How many were made, and further requests by POST on those that were kept."""
        self.to = host, port
        """Where new connections are forwarded."""
        self._open: set[_Pipe] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def url(self, url: str) -> str:
        """Return the URL of a server that is reached through this."""
        parts = urlsplit(url)
        login, _, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{self.port}"))

    def silence(self) -> None:
        """Forward nothing more of the connections that are open, in silence; new ones work."""
        self._call(lambda: [pipe.silence() for pipe in self._open])

    def reset(self) -> None:
        """Break the connections that are open, as the kernel of a dead peer does."""
        self._call(lambda: [pipe.reset() for pipe in list(self._open)])

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Break what is open, and let no new connection get through: each is reset."""
        self._closed = True
        self.reset()
        try:
            yield
        finally:
            self._closed = False

    @contextmanager
    def late(self, seconds: float) -> Iterator[None]:
        """Let whatever is sent be late while the block lasts."""
        self.delay = seconds
        try:
            yield
        finally:
            self.delay = 0

    @contextmanager
    def black_hole(self) -> Iterator[None]:
        """Accept, and forward nothing, of old connections and of new ones."""
        self._hole = True
        self.silence()
        try:
            yield
        finally:
            self._hole = False

    _closed = _hole = False

    def __enter__(self) -> "TcpProxy":
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_error: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _call(self, do: Callable[[], object]) -> None:
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (do(), done.set()))
        assert done.wait(60)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        for pipe in list(self._open):
            pipe.reset()
        self._loop.run_until_complete(asyncio.sleep(0))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.attempts += 1
        pipe = _Pipe(self)
        pipe.writers.append(writer)
        self._open.add(pipe)
        try:
            if self._closed:
                return
            if self._hole:
                pipe.silence()
            await asyncio.sleep(self.slow_connect)
            await pipe.forwarding.wait()
            there, to = await asyncio.open_connection(*self.to)
            pipe.writers.append(to)
            await asyncio.gather(pipe.forward(reader, to), pipe.forward(there, writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            pipe.reset()
            self._open.discard(pipe)


class _Pipe:
    """One connection, and the one behind it."""

    def __init__(self, proxy: TcpProxy) -> None:
        self._proxy = proxy
        self.writers: list[asyncio.StreamWriter] = []
        self._has_asked = False
        self.forwarding = asyncio.Event()
        self.forwarding.set()

    def silence(self) -> None:
        self.forwarding.clear()

    def reset(self) -> None:
        for writer in self.writers:
            if (end := writer.get_extra_info("socket")) is not None and end.fileno() != -1:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            if data.startswith(b"POST "):
                self._proxy.attempts += self._has_asked
                self._has_asked = True
            await self.forwarding.wait()  # What fell silent stays silent.
            if self._proxy.delay:
                await asyncio.sleep(self._proxy.delay)
            writer.write(data)
            await writer.drain()
        writer.write_eof()
