"""What the console knows, as JSON, for `app mcp`."""

from collections.abc import Sequence

from pydantic_core import to_json
from starlette.responses import Response

from app.development.console.parts import Trace
from app.development.console.recorder import Recorder
from app.development.console.waterfall import draw, repeated, summarize

_PARTS = 300
"""Spans, and lines, of one trace that are told."""
_STATEMENTS = 10
_GRAVE = ("error", "critical")


def as_json(found: object) -> Response:
    """Return an answer: dataclasses, times and ids are written as JSON has them."""
    return Response(to_json(found, fallback=str), media_type="application/json")


def last_error(recorder: Recorder) -> dict[str, object] | None:
    """Return the trace that failed last, or an error that was logged later, with all of its trace."""
    broken = [each for each in recorder.traces() if summarize(each).is_failed]
    trace = max(broken, key=_ended, default=None)
    line = next((each for each in recorder.lines() if each.level in _GRAVE), None)
    if line and (trace is None or line.at > _ended(trace)):
        trace = recorder.trace(line.trace_id) if line.trace_id else None
    elif trace:
        line = next((each for each in reversed(trace.lines) if each.level in _GRAVE), None)
    else:
        return None
    return {"line": line, "trace": of_trace(trace) if trace else None}


def of_trace(trace: Trace) -> dict[str, object]:
    """Return a trace: its spans as a tree, from top to bottom, and its lines."""
    rows = draw(trace).rows if trace.parts else []
    lines = sorted(trace.lines, key=lambda line: line.at)
    return {
        "id": trace.id,
        "summary": summarize(trace) if trace.parts else None,
        "spans": [
            {
                "depth": row.depth,
                "kind": row.part.kind,
                "module": row.part.module,
                "name": row.part.name,
                "begins_ms": round(row.offset * 1000, 2),
                "took_ms": round(row.part.seconds * 1000, 2),
                "error": row.part.error,
                "attributes": row.part.attributes,
            }
            for row in rows[:_PARTS]
        ],
        "repeated": [{"name": part.name, "times": times} for part, times in repeated(trace)],
        "lines": lines[:_PARTS],
        "left_out": trace.left_out + max(len(rows) - _PARTS, 0) + max(len(lines) - _PARTS, 0),
    }


def of_statements(recorder: Recorder, modules: Sequence[str]) -> list[dict[str, object]]:
    """Return which statements of modules took longest since the process began."""
    return [
        {
            "module": each.module,
            "statement": each.text,
            "times": each.count,
            "total_ms": round(each.seconds * 1000, 2),
            "longest_ms": round(each.longest * 1000, 2),
            "longest_in_trace": each.trace_id,
        }
        for each in recorder.statements()
        if each.module in modules
    ][:_STATEMENTS]


def _ended(trace: Trace) -> float:
    return max(part.ended for part in trace.parts) / 1e9
