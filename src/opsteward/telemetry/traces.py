"""Traces by OpenTelemetry, sent over OTLP when `OTEL_EXPORTER_OTLP_ENDPOINT` says where to. Else nothing is imported.

A request, the tasks and actions that it starts, and their steps belong together by their correlation id: the trace's
id is derived from it. So nothing has to be stored or handed on for a trace to go through processes and restarts.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from hashlib import sha256
from typing import TYPE_CHECKING

from opsteward.core.log import correlation_id, get_logger
from opsteward.core.redact import redact_text
from opsteward.core.version import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.trace import Span as OpenSpan
    from opentelemetry.trace import Tracer

log = get_logger(__name__)

Value = str | int | float | bool
#: https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_MAX_SAID = 300  # characters of an error


class Span:
    """A span under way; one that is not recorded takes everything and keeps nothing."""

    __slots__ = ("_open",)

    def __init__(self, recorded: OpenSpan | None = None) -> None:
        self._open = recorded

    def note(self, attributes: Mapping[str, Value]) -> None:
        """Add attributes."""
        if self._open is not None:
            self._open.set_attributes(attributes)

    def rename(self, name: str) -> None:
        """For what is known only afterwards."""
        if self._open is not None:
            self._open.update_name(name)

    def fail(self, said: str) -> None:
        """Mark it as failed; secrets in what is said are cut out."""
        if self._open is not None:
            from opentelemetry.trace import Status, StatusCode

            self._open.set_status(Status(StatusCode.ERROR, redact_text(said)[:_MAX_SAID]))


_NOTHING = nullcontext(Span())
_provider: TracerProvider | None = None
_tracer: Tracer | None = None


def wanted() -> bool:
    """Whether the environment asks for traces."""
    place = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    off = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return bool(place) and not off and os.environ.get("OTEL_TRACES_EXPORTER", "otlp").strip() in ("", "otlp")


def start() -> None:
    """Begin to send spans, if that is wanted; once per process."""
    global _provider, _tracer  # noqa: PLW0603 - one per process, like the environment that asks for it
    if _provider is not None or not wanted():
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if "grpc" in os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", ""):
        log.warning("telemetry.traces.protocol_ignored", used="http/protobuf")
    resource = {"service.version": __version__}
    if not os.environ.get("OTEL_SERVICE_NAME") and "service.name=" not in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    ):
        resource["service.name"] = "opsteward"
    _provider = TracerProvider(resource=Resource.create(resource), id_generator=_ids(), shutdown_on_exit=False)
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = _provider.get_tracer("opsteward", __version__)


def stop() -> None:
    """Send what is left, and no more. Blocks for some seconds when nobody takes it."""
    global _provider, _tracer  # noqa: PLW0603
    if _provider is not None:
        _provider.shutdown()
    _provider = _tracer = None


def on() -> bool:
    """Whether spans are recorded."""
    return _tracer is not None


def span(
    name: str, attributes: Mapping[str, Value] | None = None, *, parent: str = "", serves: bool = False
) -> AbstractContextManager[Span]:
    """A span around a block, below the one that is open; `parent` is a traceparent header, `serves` marks a request.

    An exception that leaves the block marks it as failed; being cancelled is no failure. Costs nothing when off.
    """
    return _NOTHING if _tracer is None else _recorded(_tracer, name, attributes or {}, parent, serves)


def fail(said: str) -> None:
    """Mark the open span as failed, where the error is handled inside of it."""
    if _tracer is not None:
        from opentelemetry.trace import get_current_span

        Span(get_current_span()).fail(said)


@contextmanager
def _recorded(tracer: Tracer, name: str, attributes: Mapping[str, Value], parent: str, serves: bool) -> Iterator[Span]:
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    above = TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None
    with tracer.start_as_current_span(
        name,
        context=above,
        kind=SpanKind.SERVER if serves else SpanKind.INTERNAL,
        attributes={**attributes, "opsteward.correlation_id": correlation_id.get()},
        record_exception=False,  # it would send the exception's text with whatever stands in it
        set_status_on_exception=False,
    ) as recorded:
        one = Span(recorded)
        try:
            yield one
        except asyncio.CancelledError:
            one.note({"opsteward.cancelled": True})
            raise
        except Exception as error:
            one.fail(f"{type(error).__name__}: {error}")
            raise


def correlation_of(traceparent: str | None) -> str:
    """The correlation id that fits a caller's trace; empty without one."""
    found = _TRACEPARENT.fullmatch(traceparent or "")
    return found[1] if found else ""


def _trace_of(correlation: str) -> int:
    if not correlation:
        return random.getrandbits(128) or 1
    if _TRACE_ID.fullmatch(correlation):
        return int(correlation, 16)  # it was a caller's trace
    # Hashed, for samplers take the id's low bits for random ones.
    return int.from_bytes(sha256(correlation.encode()).digest()[:16], "big") or 1


def _ids() -> IdGenerator:
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class ByCorrelation(RandomIdGenerator):
        """Traces that begin under the same correlation id are one."""

        def generate_trace_id(self) -> int:
            return _trace_of(correlation_id.get())

    return ByCorrelation()
