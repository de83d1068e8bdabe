"""What this process counts and measures of itself. The rooms import a metric and increment it; `/metrics` shows all.

Labels have few values: no tenant, no id, no text from outside. What the database knows for the whole installation is
read at the scrape, in `telemetry.service.figures`, and not counted here.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from opsteward.core.version import __version__

disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry()
_FAST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SLOW = (0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 3600.0)
_LAG = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

ProcessCollector(registry=REGISTRY)

BUILD = Gauge("opsteward_build_info", "Always 1; the version is its label", ["version"], registry=REGISTRY)
BUILD.labels(__version__).set(1)

HTTP_REQUESTS = Counter(
    "opsteward_http_requests_total",
    "HTTP requests answered, by the route's pattern",
    ["route", "method", "status"],
    registry=REGISTRY,
)
HTTP_SECONDS = Histogram(
    "opsteward_http_request_duration_seconds",
    "From the request's first byte to the answer's last",
    ["route", "method"],
    buckets=_FAST,
    registry=REGISTRY,
)
HTTP_OPEN = Gauge("opsteward_http_requests_open", "HTTP requests being answered now", registry=REGISTRY)
HTTP_WAITING = Gauge(
    "opsteward_http_requests_waiting", "Those of them that wait for their turn at the database", registry=REGISTRY
)

WS_CLIENTS = Gauge("opsteward_ws_clients", "Open connections to the live feed", registry=REGISTRY)
WS_SENT = Counter("opsteward_ws_messages_total", "Messages sent to clients of the live feed", registry=REGISTRY)
WS_GAPS = Counter(
    "opsteward_ws_gaps_total",
    "How often a client of the live feed was told that it missed something",
    registry=REGISTRY,
)

EVENTS = Counter("opsteward_events_total", "Events taken in and stored, by category", ["category"], registry=REGISTRY)
SENTRY_ITEMS = Counter(
    "opsteward_sentry_items_total", "Items of Sentry's SDKs that came in, by type", ["type"], registry=REGISTRY
)
SYSLOG_LINES = Counter(
    "opsteward_syslog_lines_total",
    "Syslog messages taken, refused (for sender, connections, full, unreadable), and taken in part (cut)",
    ["outcome"],
    registry=REGISTRY,
)

TASK_CLAIMS = Counter("opsteward_task_claims_total", "Looks of this process for tasks to run", registry=REGISTRY)
TASKS_CLAIMED = Counter(
    "opsteward_tasks_claimed_total", "Tasks that this process took on", ["task_type"], registry=REGISTRY
)
TASK_RUNS = Counter(
    "opsteward_task_runs_total",
    "Runs of tasks in this process, by how they ended; retried ones run again, returned ones were given back unrun",
    ["task_type", "outcome"],
    registry=REGISTRY,
)
TASK_SECONDS = Histogram(
    "opsteward_task_duration_seconds",
    "How long a run of a task took in this process",
    ["task_type"],
    buckets=_SLOW,
    registry=REGISTRY,
)

LOOP_LAG = Histogram(
    "opsteward_event_loop_lag_seconds",
    "How much later than asked the event loop woke up; everything in the process waits as long",
    buckets=_LAG,
    registry=REGISTRY,
)
