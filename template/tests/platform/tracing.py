"""What tests of traces share: where spans end up."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import structlog
from httpx import ASGITransport, AsyncClient
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.main import create_app
from app.platform.monitoring.signals import Signals
from app.platform.settings.settings import Settings
from app.platform.telemetry.context import place
from app.platform.telemetry.deferral import deferred
from app.platform.telemetry.log_writer import LogWriter

CALLER = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


@dataclass
class Traces:
    """What has ended so far, oldest first."""

    exporter: InMemorySpanExporter

    def spans(self) -> list[ReadableSpan]:
        deferred.flush()
        return list(self.exporter.get_finished_spans())

    def one(self, name: str) -> ReadableSpan:
        [found] = [each for each in self.spans() if each.name == name]
        return found

    def names(self) -> list[str]:
        return [each.name for each in self.spans()]


def id_of(span: ReadableSpan) -> int:
    assert span.context
    return span.context.span_id


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


@contextmanager
def settled() -> Iterator[None]:
    """Leave no place in a trace, and no log, behind."""
    try:
        yield
    finally:
        place.set(None)
        for each in logging.getLogger().handlers[:]:
            if isinstance(each, LogWriter):
                logging.getLogger().removeHandler(each)
                each.close()
        for name in ("app", "uvicorn"):
            logging.getLogger(name).setLevel(logging.NOTSET)
        logging.captureWarnings(False)
        structlog.reset_defaults()


@asynccontextmanager
async def tracing_app(
    settings: Settings, headers: dict[str, str]
) -> AsyncIterator[tuple[AsyncClient, Traces]]:
    """A client of the application, as it runs, and what that traces."""
    exporter = InMemorySpanExporter()
    with settled():
        signals = Signals(settings, span_processors=[SimpleSpanProcessor(exporter)])
        api = create_app(settings, signals=signals)
        transport = ASGITransport(api)
        async with (
            api.router.lifespan_context(api),
            AsyncClient(transport=transport, base_url="http://app", headers=headers) as client,
        ):
            yield client, Traces(exporter)
