"""Where spans go once they have ended: to a collector by OTLP, and to whoever else asks for them.

Imported only where traces are wanted: the SDK takes a while to load.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from threading import Thread
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

from app.platform import timeouts as waits
from app.platform.settings import application_name, Settings, user_agent
from app.platform.telemetry.context import Place
from app.platform.telemetry.redaction import text_of, without_secrets
from app.platform.telemetry.traces import Span, tracing

logger = logging.getLogger("app.traces")

_LIBRARY = ("opentelemetry.exporter.otlp.proto.http", "opentelemetry.sdk._shared_internal")
"""Loggers that would tell of each batch that is lost, and of each try: `_Sender` tells it once."""
_TELL_AGAIN = 300.0
"""Seconds for which it is silent then."""
_LONGEST = 1000
"""Characters of what an error says."""
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_UNSET, _FAILED = Status(), Status(StatusCode.ERROR)
_SCOPE = InstrumentationScope("app")


@asynccontextmanager
async def traces_recorded(
    settings: Settings, processors: Sequence[SpanProcessor] = ()
) -> AsyncIterator[None]:
    """Record traces while the block lasts: for these processors all of them, otherwise the share in
    the settings; and send them where these say."""
    recorder = _Recorder(_describe(settings), processors)
    if settings.otel_exporter_otlp_endpoint:
        sender = _Sender(settings.otel_exporter_otlp_endpoint, user_agent(settings.app_version))
        recorder.processors += (BatchSpanProcessor(sender),)
    try:
        with tracing.on(recorder, 1 if processors else settings.traces_sample_ratio):
            yield
    finally:
        # In a thread that nobody has to wait for: one that is sending now can take its time.
        ending = Thread(target=recorder.shutdown, name="traces", daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, waits.LAST_SPANS)


class _Resource(Resource):
    """Is equal to itself alone. The SDK groups spans by their resource, and would write it as JSON
    for each of them to compare."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__


def _describe(settings: Settings) -> Resource:
    """Say whose spans these are. OpenTelemetry's own variables count more."""
    service = {
        "service.name": application_name(),
        "deployment.environment.name": settings.environment,
        **settings.release,
    }
    described = Resource.create(service).merge(OTELResourceDetector().detect())
    return _Resource(described.attributes, described.schema_url)


class _Recorder:
    """Makes of a span what the SDK makes, and hands it to its processors."""

    def __init__(self, resource: Resource, processors: Sequence[SpanProcessor]) -> None:
        self._resource = resource
        self.processors = tuple(processors)

    def __call__(self, span: Span, ended: int) -> None:
        try:
            self._hand_on(span, ended)
        except Exception as error:  # It would take the place of what the application says.
            logger.warning("A span could not be recorded: %s", type(error).__qualname__)

    def _hand_on(self, span: Span, ended: int) -> None:
        events, status = _outcome(span, ended)
        readable = ReadableSpan(
            span.name,
            _context(span),
            None if span.parent is None else _context(span.parent),
            self._resource,
            span.attributes,
            kind=span.kind,
            start_time=span.begun,
            end_time=ended,
            instrumentation_scope=_SCOPE,
            events=events,
            status=status,
        )
        for processor in self.processors:
            try:
                processor.on_end(readable)
            except Exception:  # Whoever is traced must not suffer.
                self.processors = tuple(each for each in self.processors if each is not processor)
                logger.exception("%s gets no more spans.", type(processor).__name__)

    def shutdown(self) -> None:
        """Send what is left."""
        for processor in self.processors:
            processor.shutdown()


class _Sender(SpanExporter):
    """Sends spans to a collector. That they cannot be sent is said once, and now and then again."""

    def __init__(self, endpoint: str, user_agent: str) -> None:
        headers = {"User-Agent": user_agent}
        self._exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", headers=headers)
        where = urlsplit(endpoint)
        self._where = f"{where.scheme}://{where.netloc.rpartition('@')[2]}"
        self._told = -_TELL_AGAIN
        self._lost = 0
        self._reason = _Reason()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send some; called in a thread of the SDK's."""
        self._reason.last = ""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            if self._lost:
                logger.info("Traces reach %s again; %d spans were lost.", self._where, self._lost)
                self._told, self._lost = -_TELL_AGAIN, 0
            return result
        self._lost += len(spans)
        if time.monotonic() - self._told > _TELL_AGAIN:
            self._told = time.monotonic()
            logger.warning(
                "Traces cannot be sent to %s: %d spans lost (%s).",
                self._where,
                self._lost,
                self._reason.last or "no answer in time",
            )
        return result

    def shutdown(self) -> None:
        """Try nothing again."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


class _Reason(logging.Handler):
    """Keeps why the library could not send the last spans, which it tells its log alone.

    A status or the kind of an error; what an error says may quote the URL, with a password.
    """

    def __init__(self) -> None:
        super().__init__()
        self.last = ""
        for name in _LIBRARY:
            library = logging.getLogger(name)
            library.propagate = False
            library.handlers = [self]

    def emit(self, record: logging.LogRecord) -> None:
        """Take what it tells: kind of data, status and its name or an error, seconds to wait."""
        given = record.args if isinstance(record.args, tuple) else ()
        parts = [
            type(each).__name__ if isinstance(each, Exception) else str(each)
            for each in given
            if each != "spans" and isinstance(each, Exception | int | str)
        ]
        self.last = " ".join(parts)[:_LONGEST] or self.last


def _context(place: Place) -> SpanContext:
    if not isinstance(place, Span):
        return SpanContext(place.trace_id, place.span_id, True, _SAMPLED)
    if place.context is None:  # Those below it have asked before it ends.
        place.context = SpanContext(place.trace_id, place.span_id, False, _SAMPLED)
    return place.context


def _said_by(error: BaseException) -> str:
    try:
        return str(without_secrets(text_of(error)))[:_LONGEST]
    except Exception:  # Code of its own says it.
        return "(what it says could not be found out)"


def _outcome(span: Span, ended: int) -> tuple[Sequence[Event], Status]:
    """Say what went wrong, if anything did, without what is secret."""
    if span.error is None:
        return (), _FAILED if span.failed else _UNSET
    kind = type(span.error).__qualname__
    said = _said_by(span.error)
    span.attributes.setdefault("error.type", kind)
    about = {"exception.type": kind, "exception.message": said}
    status = Status(StatusCode.ERROR, f"{kind}: {said}") if span.failed else _UNSET
    return (Event("exception", about, ended),), status
