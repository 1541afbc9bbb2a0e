#!/usr/bin/env bash
# opentelemetry-sdk 1.45.2: a fork renames the instance. In the child, spans and measurements carry a random
# service.instance.id in place of the one that the application gave to Resource.create, or the operator to
# OTEL_RESOURCE_ATTRIBUTES: before the fork what is given beats what is detected, after it the other way round.
# The Resource itself still says what was given.
SEEN='
given to Resource.create
  parent: span pod-7, measurement pod-7
  child: span random, measurement the same
  child: service.name shop, the Resource says pod-7
given in OTEL_RESOURCE_ATTRIBUTES
  parent: span pod-7, measurement pod-7
  child: span random, measurement the same
  child: service.name shop, the Resource says pod-7
'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check opentelemetry-sdk==1.45.2
cat >"$folder/fork.py" <<'PYTHON'
import os
import sys
from uuid import UUID

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

given = {"service.name": "shop"} | dict(each.split("=") for each in sys.argv[1:])
resource = Resource.create(given)
spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
tracing = TracerProvider(resource=resource)
tracing.add_span_processor(SimpleSpanProcessor(spans))
tracer = tracing.get_tracer("shop")
orders = MeterProvider([reader], resource=resource).get_meter("shop").create_counter("orders")


def named(id: str) -> str:
    try:
        return "random" if UUID(id).version == 4 else id
    except ValueError:
        return id


def show(process: str) -> dict[str, str]:
    spans.clear()
    with tracer.start_as_current_span("order"):
        orders.add(1)
    (span,) = spans.get_finished_spans()
    (measured,) = reader.get_metrics_data().resource_metrics
    one, other = (each.resource.attributes["service.instance.id"] for each in (span, measured))
    same = "the same" if one == other and named(one) == "random" else named(other)
    print(f"  {process}: span {named(one)}, measurement {same}", flush=True)
    return span.resource.attributes


show("parent")
if child := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
name, id = show("child")["service.name"], resource.attributes["service.instance.id"]
print(f"  child: service.name {name}, the Resource says {id}")
PYTHON
printed=$(
  echo "given to Resource.create"
  "$folder/venv/bin/python" "$folder/fork.py" service.instance.id=pod-7
  echo "given in OTEL_RESOURCE_ATTRIBUTES"
  OTEL_RESOURCE_ATTRIBUTES=service.instance.id=pod-7 "$folder/venv/bin/python" "$folder/fork.py"
)
echo "$printed"
[ "$printed" = "$(echo "$SEEN" | sed '/^$/d')" ]
