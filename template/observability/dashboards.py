"""Write Grafana's dashboards, as JSON, into `dashboards/`: `make dashboards`, after a change here.

Three: the service at a glance, one module, the queue. They know no module: which there are, Grafana
asks Prometheus. Each panel is a line below.
"""

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.builders.common import (
    ReduceDataOptions,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DatasourceVariable,
    QueryVariable,
    Row,
)
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.timeseries import Panel as TimeSeries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, SortOrder, TooltipDisplayMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    VariableRefresh,
    VariableSort,
)

FOLDER = Path(__file__).parent / "dashboards"
_PROMETHEUS = DataSourceRef("prometheus", "${datasource}")
_WINDOW = "[$__rate_interval]"


class _Board:
    """A dashboard, panel by panel, from left to right and from top to bottom."""

    def __init__(self, uid: str, title: str) -> None:
        self._panels = 0
        self._board = (
            Dashboard(title)
            .uid(uid)
            .tags(["app"])
            .time("now-3h", "now")
            .refresh("30s")
            .tooltip(DashboardCursorSync.CROSSHAIR)
            .with_variable(DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        )

    def choose_module(self) -> None:
        """Let whoever looks choose a module; `$module` is its name."""
        self._board.with_variable(
            QueryVariable("module")
            .datasource(_PROMETHEUS)
            .query("label_values(module_info, module)")
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(VariableSort.ALPHABETICAL_ASC)
        )

    def row(self, title: str) -> None:
        self._board.with_row(Row(title))

    def number(self, title: str, query: str, unit: str = "short") -> None:
        """Show what a query finds now: a sixth of the width."""
        panel = Stat().height(4).span(4).reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
        self._add(panel, title, unit, query, "")

    def graph(
        self, title: str, query: str, legend: str, unit: str = "short", *, exemplars: bool = False
    ) -> None:
        """Show what a query found over time: a third of the width."""
        panel = (
            TimeSeries()
            .height(8)
            .span(8)
            .min(0)
            .legend(VizLegendOptions().display_mode(LegendDisplayMode.LIST).show_legend(True))
            .tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
        )
        self._add(panel, title, unit, query, legend, exemplars)

    def _add(
        self,
        panel: Stat | TimeSeries,
        title: str,
        unit: str,
        query: str,
        legend: str,
        exemplars: bool = False,
    ) -> None:
        self._panels += 1
        asked = Dataquery().ref_id("A").expr(query).legend_format(legend)
        if exemplars:
            asked.exemplar(True)
        panel.id(self._panels).title(title).unit(unit).datasource(_PROMETHEUS).with_target(asked)
        self._board.with_panel(panel)

    def as_json(self) -> str:
        return json.dumps(self._board.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _rate(what: str, *by: str) -> str:
    return f"sum by ({', '.join(by)}) (rate({what}{_WINDOW}))"


def _p99(what: str, labels: str, *by: str) -> str:
    return f"histogram_quantile(0.99, {_rate(f'{what}_seconds_bucket{labels}', *by, 'le')})"


def _service() -> _Board:
    board = _Board("app-service", "The service at a glance")
    board.number("Processes", 'sum(up{job="app"})')
    board.number("Alerts that fire", 'count(ALERTS{alertstate="firing"}) or vector(0)')
    board.number("Requests", f"sum(rate(http_server_requests_total{_WINDOW}))", "reqps")
    board.number("Held jobs", 'sum(max by (module) (queue_jobs{job_state="held"}))')
    board.number("Modules to migrate", "sum(max by (module) (migrations_pending))")
    board.number("Database", "max(db_size_bytes)", "bytes")
    board.row("Modules")
    by_module = "{{module}}"
    board.graph("Requests", _rate("http_server_requests_total", "module"), by_module, "reqps")
    failed, all_of_them = 'slo_requests_total{outcome="failed"}', "slo_requests_total"
    failing = f"{_rate(failed, 'module')} / {_rate(all_of_them, 'module')}"
    board.graph("Requests that fail because of", failing, by_module, "percentunit")
    p99 = _p99("http_server_request_duration", "", "module")
    board.graph("99 of 100 are answered within", p99, by_module, "s", exemplars=True)
    missed = 'sum by (module, outcome) (increase(slo_requests_total{outcome!="good"}[7d]))'
    budget = (
        f"1 - {missed} / on (module) group_left () sum by (module) (increase(slo_requests_total[7d]))"
        " / on (module, outcome) module_outcome:budget:ratio"
    )
    outcome = "{{module}} {{outcome}}"
    board.graph("Budget left of the last 7 days", budget, outcome, "percentunit")
    board.graph("Burn rate of the last hour", "module_outcome:burn:rate1h", outcome)
    errors = _rate('log_lines_total{level=~"error|critical"}', "module")
    board.graph("Errors logged", f"60 * {errors}", by_module, "cpm")
    board.row("Database")
    pool = "db_client_connection_pool_name"
    used = 'db_client_connection_count{db_client_connection_state="used"}'
    share = f"{used} / ignoring (db_client_connection_state) db_client_connection_max"
    by_pool = f"{{{{instance}}}} {{{{{pool}}}}}"
    board.graph("Connections in use", share, by_pool, "percentunit")
    vain = f"sum by ({pool}) (increase(db_client_connection_timeouts_total{_WINDOW}))"
    board.graph("Waited for one in vain", vain, f"{{{{{pool}}}}}")
    busy = f"max by (module) (rate(db_module_seconds_total{_WINDOW}))"
    board.graph("Postgres works for", busy, by_module)
    board.graph("The replica is behind", "max(db_replica_lag_seconds)", "seconds", "s")
    return board


def _module() -> _Board:
    board = _Board("app-module", "Module")
    board.choose_module()
    one = 'module="$module"'
    board.number("Availability promised", f"max(slo_availability_ratio{{{one}}})", "percentunit")
    good = f'slo_requests_total{{{one}, outcome!="failed"}}'
    kept = f"sum(increase({good}[7d])) / sum(increase(slo_requests_total{{{one}}}[7d]))"
    board.number("kept, in 7 days", kept, "percentunit")
    board.number("99 of 100 promised within", f"max(slo_latency_p99_seconds{{{one}}})", "s")
    in_time = f'slo_requests_total{{{one}, outcome!="slow"}}'
    kept = f"sum(increase({in_time}[7d])) / sum(increase(slo_requests_total{{{one}}}[7d]))"
    board.number("in time, in 7 days", kept, "percentunit")
    board.number("Held jobs", f'max(queue_jobs{{{one}, job_state="held"}})')
    board.number("Oldest due job", f"max(queue_oldest_due_seconds{{{one}}})", "s")
    board.row("Requests")
    requests, labels = f"http_server_requests_total{{{one}}}", f"{{{one}}}"
    by_route = ("http_request_method", "http_route")
    route = "{{http_request_method}} {{http_route}}"
    board.graph("by route", _rate(requests, *by_route), route, "reqps")
    by_status = _rate(requests, "http_response_status_code")
    board.graph("by status", by_status, "{{http_response_status_code}}", "reqps")
    p99 = _p99("http_server_request_duration", labels, *by_route)
    board.graph("99 of 100 are answered within", p99, route, "s", exemplars=True)
    board.row("Calls by others")
    calls = _rate(f"boundary_calls_total{labels}", "method", "outcome")
    board.graph("by method", calls, "{{method}} {{outcome}}", "cps")
    p99 = _p99("boundary_call_duration", labels, "method")
    board.graph("99 of 100 take less than", p99, "{{method}}", "s", exemplars=True)
    lost = f"{_rate(f'remote_errors_total{labels}', 'method', 'reason')} or vector(0)"
    board.graph("Calls of the service that come to nothing", lost, "{{method}} {{reason}}", "cps")
    burn = f"module_outcome:burn:rate1h{labels}"
    board.graph("Burn rate of the last hour", burn, "{{outcome}}")
    board.row("Jobs")
    attempts = _rate(f"job_attempts_total{labels}", "job_name", "job_outcome")
    board.graph("Attempts", attempts, "{{job_name}} {{job_outcome}}", "cps")
    p99 = _p99("job_duration", labels, "job_name")
    board.graph("99 of 100 take less than", p99, "{{job_name}}", "s", exemplars=True)
    jobs = f"max by (job_state) (queue_jobs{labels})"
    board.graph("In the queue", jobs, "{{job_state}}")
    board.row("Data that move to a database of their own")
    behind = f"max(carving_lag_bytes{labels}) or vector(0)"
    board.graph("One database is behind the other", behind, "behind", "bytes")
    kept = f"max(carving_slot_retained_bytes{labels}) or vector(0)"
    board.graph("Log that Postgres keeps for that", kept, "kept", "bytes")
    state = f"max by (state) (carving_state{labels} == 1) or vector(0)"
    board.graph("State", state, "{{state}}")
    board.row("Statements, log, cache, flags")
    statements = f"max by (module) (rate(db_module_calls_total{labels}{_WINDOW}))"
    board.graph("Statements", statements, "{{module}}", "ops")
    board.graph("Lines", _rate(f"log_lines_total{labels}", "level"), "{{level}}", "cps")
    reads = _rate(f"cache_reads_total{labels}", "cache", "outcome")
    board.graph("Cache", reads, "{{cache}} {{outcome}}", "ops")
    by_flag = ("feature_flag_key", "feature_flag_result_value")
    flags = _rate(f"feature_flag_evaluations_total{labels}", *by_flag)
    board.graph("Flags", flags, "{{feature_flag_key}} {{feature_flag_result_value}}", "ops")
    return board


def _queue() -> _Board:
    board = _Board("app-queue", "The queue")
    for state in ("waiting", "running", "held", "unknown"):
        board.number(state, f'sum(max by (module) (queue_jobs{{job_state="{state}"}}))')
    board.number("Oldest due job", "max(queue_oldest_due_seconds)", "s")
    done = f'sum(rate(job_attempts_total{{job_outcome="done"}}{_WINDOW}))'
    board.number("Done", done, "cps")
    board.row("Modules")
    for state in ("waiting", "held"):
        query = f'max by (module) (queue_jobs{{job_state="{state}"}})'
        board.graph(f"Jobs {state}", query, "{{module}}")
    age = "max by (module) (queue_oldest_due_seconds)"
    board.graph("The oldest due has waited", age, "{{module}}", "s")
    board.row("Workers")
    outcomes = _rate("job_attempts_total", "job_outcome")
    board.graph("Attempts by outcome", outcomes, "{{job_outcome}}", "cps")
    jobs = _rate("job_attempts_total", "job_name")
    board.graph("Attempts by job", jobs, "{{job_name}}", "cps")
    board.graph(
        "99 of 100 take less than", _p99("job_duration", "", "job_name"), "{{job_name}}", "s"
    )
    return board


def main() -> None:
    """Write the dashboards into `dashboards/`, or into the folder that is named."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(exist_ok=True)
    boards = {"service.json": _service(), "module.json": _module(), "queue.json": _queue()}
    for name, board in boards.items():
        (folder / name).write_text(board.as_json(), "utf-8", newline="\n")


if __name__ == "__main__":
    main()
