"""Metrics as Prometheus gets them, for tests."""

import asyncio
import random
import socket
from contextlib import suppress

from prometheus_client.registry import Collector


def free_port() -> int:
    """Return a port that is free, and none that is given to whoever connects or asks for any."""
    while True:
        port = random.randrange(20_000, 30_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


async def looked_at(collector: Collector) -> dict[tuple[str, ...], float]:
    """Return what a collector finds when it is asked, as it is, by another thread."""
    found = await asyncio.to_thread(lambda: list(collector.collect()))
    return {
        (sample.name, *sample.labels.values()): sample.value
        for metric in found
        for sample in metric.samples
    }
