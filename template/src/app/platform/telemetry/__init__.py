"""What is told: logs, metrics, traces, service level objectives, and what is never told."""

from typing import TYPE_CHECKING

from app.platform.lazy import lazily
from app.platform.telemetry import metrics
from app.platform.telemetry.context import (
    add,
    begin_request,
    bound,
    current,
    get_request,
    get_user,
    Place,
    place,
    PLATFORM,
    speaking,
)
from app.platform.telemetry.deferral import deferred
from app.platform.telemetry.log_lines import Line, Lines
from app.platform.telemetry.logs import configure_logs, get_logger
from app.platform.telemetry.metrics import flag_evaluations
from app.platform.telemetry.redaction import (
    cause,
    text_of,
    withhold,
    withhold_values,
    without_secrets,
)
from app.platform.telemetry.slo import (
    begin_parts,
    culprit_of,
    has_written,
    note_commit,
    Objectives,
    ObjectivesError,
    parts,
    Promises,
    read_objectives,
    take_part,
    waiting_for,
    waits,
)
from app.platform.telemetry.sql_text import without_values
from app.platform.telemetry.traces import (
    Attribute,
    begin,
    begin_trace,
    Exemplar,
    exemplar_of,
    inside,
    recorded_place,
    Span,
    span,
)

if TYPE_CHECKING:
    from app.platform.telemetry.otlp import traces_recorded
else:  # The SDK and its exporter.
    __getattr__ = lazily(__name__, {"otlp": ("traces_recorded",)})

__all__ = [
    "PLATFORM",
    "Attribute",
    "Exemplar",
    "Line",
    "Lines",
    "Objectives",
    "ObjectivesError",
    "Place",
    "Promises",
    "Span",
    "add",
    "begin",
    "begin_parts",
    "begin_request",
    "begin_trace",
    "bound",
    "cause",
    "configure_logs",
    "culprit_of",
    "current",
    "deferred",
    "exemplar_of",
    "flag_evaluations",
    "get_logger",
    "get_request",
    "get_user",
    "has_written",
    "inside",
    "metrics",
    "note_commit",
    "parts",
    "place",
    "read_objectives",
    "recorded_place",
    "span",
    "speaking",
    "take_part",
    "text_of",
    "traces_recorded",
    "waiting_for",
    "waits",
    "withhold",
    "withhold_values",
    "without_secrets",
    "without_values",
]
