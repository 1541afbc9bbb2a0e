"""A network that fails: what passes can be silenced, delayed, cut short and reset."""

import asyncio
import socket
import struct
import threading


class Network:
    """Forwards connections on a free port of 127.0.0.1, in a thread of its own. Its attributes count
    from the next bytes on."""

    def __init__(self, to: int) -> None:
        self.port = 0
        self.is_silent = False
        """Whether nothing that is sent arrives."""
        self.cut_after: int | None = None
        """How many bytes of an answer arrive before its connection is reset."""
        self.is_closed = False
        """Whether new connections are reset."""
        self.connections = 0
        self._to = to
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Network":
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_error: object) -> None:
        self.reset()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)

    def reset(self) -> None:
        """Break the connections that are open, as the kernel of a dead peer does."""
        done = threading.Event()

        def reset_all() -> None:
            for each in list(self._writers):
                _reset(each)
            self._loop.call_soon(done.set)  # Behind what closes them.

        self._loop.call_soon_threadsafe(reset_all)
        assert done.wait(30)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        start = asyncio.start_server(self._accept, "127.0.0.1", 0)
        server = self._loop.run_until_complete(start)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            if self.is_closed:
                return
            there, to = await asyncio.open_connection("127.0.0.1", self._to)
            self._writers.add(to)
            await asyncio.gather(self._forward(reader, to, None), self._answer(there, writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            _reset(writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._forward(reader, writer, lambda: self.cut_after)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cut: object
    ) -> None:
        while data := await reader.read(65_536):
            while self.is_silent:
                await asyncio.sleep(0.01)
            after = cut() if callable(cut) else None
            writer.write(data[:after])
            await writer.drain()
            if after is not None:
                await asyncio.sleep(0.01)
                _reset(writer)
                return
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    end = writer.get_extra_info("socket")
    if end is not None and end.fileno() != -1:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
