"""Metrics as Prometheus gets them, for tests."""

import asyncio

from prometheus_client.registry import Collector


async def looked_at(collector: Collector) -> dict[tuple[str, ...], float]:
    """Return what a collector finds when it is asked, as it is, by another thread."""
    found = await asyncio.to_thread(lambda: list(collector.collect()))
    return {
        (sample.name, *sample.labels.values()): sample.value
        for metric in found
        for sample in metric.samples
    }
