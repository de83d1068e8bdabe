"""Logs over OTLP/HTTP: from OpenTelemetry's own exporter, from its protobuf messages, and in JSON by hand."""

from __future__ import annotations

import gzip
import json
import logging
import time
from typing import Any
from uuid import uuid4

import httpx
import pytest
from google.protobuf.json_format import MessageToDict
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from opsteward.integrations.opentelemetry.logs import LogRecord, records_of_json, records_of_protobuf
from support.instance import Tenant
from support.live import Live, LiveOperator

PROTOBUF = {"Content-Type": "application/x-protobuf"}


def request_of(**fields: Any) -> ExportLogsServiceRequest:
    """A request with one record."""
    request = ExportLogsServiceRequest()
    of_resource = request.resource_logs.add()
    of_resource.resource.attributes.add(key="service.name", value=AnyValue(string_value="billing"))
    of_scope = of_resource.scope_logs.add()
    of_scope.scope.name = "a.logger"
    record = of_scope.log_records.add(**fields)
    record.attributes.add(key="retry", value=AnyValue(bool_value=True))
    return request


async def taken(tenant: Tenant) -> list[dict[str, Any]]:
    rows = tenant.instance.sql(
        "select source, message, severity, error_type, stack_trace, context from opsteward.events"
        " where tenant_id = %s order by id",
        tenant.id,
    )
    return [
        dict(zip(("source", "message", "severity", "error_type", "trace", "context"), r, strict=True)) for r in rows
    ]


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip, Compression.Deflate])
def test_a_program_logs_through_the_sdk(live: Live, compression: Compression) -> None:
    owner: LiveOperator = live.tenant(f"otlp-{uuid4().hex[:10]}").owner
    exporter = OTLPLogExporter(
        endpoint=f"{live.url}/v1/logs", headers={"Authorization": f"Bearer {owner.token}"}, compression=compression
    )
    provider = LoggerProvider(resource=Resource({"service.name": "checkout", "host.name": "web1"}))
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    logger = logging.getLogger(f"otlp.{uuid4().hex}")
    logger.propagate = False
    logger.addHandler(LoggingHandler(logger_provider=provider))
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("pay") as span:
        trace_id = format(span.get_span_context().trace_id, "032x")
        try:
            raise ConnectionRefusedError(111, "Connection refused")
        except ConnectionRefusedError:
            logger.exception("Payment of order %s failed", 4711, extra={"order": 4711})
    provider.shutdown()
    [incident] = owner.http.get("/api/v1/incidents").json()["items"]
    [event] = owner.http.get(f"/api/v1/incidents/{incident['id']}").json()["events"]
    assert incident["title"] == "ConnectionRefusedError: Payment of order 4711 failed"
    assert (event["source"], event["severity"]) == ("checkout", "medium")
    assert "test_opentelemetry_logs.py" in event["stack_trace"]
    assert event["context"]["trace_id"] == trace_id
    assert event["context"]["attributes"]["order"] == 4711
    assert event["context"]["resource"]["host.name"] == "web1"


@pytest.mark.parametrize("in_json", [False, True])
async def test_a_record_keeps_what_was_sent(tenant: Tenant, in_json: bool) -> None:
    at = time.time_ns() // 10**9 * 10**9
    request = request_of(
        time_unix_nano=at,
        severity_number=21,
        severity_text="FATAL",
        body=AnyValue(string_value="disk full \x00"),
        trace_id=bytes(range(16)),
        span_id=bytes(8),
    )
    if in_json:
        document = MessageToDict(request)  # ids in base64, numbers as strings, the severity by its name
        answer = await tenant.http.post("/v1/logs", json=document)
        assert answer.json() == {}
    else:
        body = gzip.compress(request.SerializeToString())
        answer = await tenant.http.post("/v1/logs/", content=body, headers=PROTOBUF | {"Content-Encoding": "gzip"})
        assert ExportLogsServiceResponse.FromString(answer.content) == ExportLogsServiceResponse()
    assert answer.status_code == 200
    [event] = await taken(tenant)
    assert (event["source"], event["severity"], event["message"]) == ("billing", "high", "disk full ")
    assert event["context"]["trace_id"] == bytes(range(16)).hex()
    assert event["context"]["attributes"] == {"retry": True}


def test_the_own_reader_reads_as_the_librarys_does() -> None:
    values = AnyValue(
        kvlist_value=KeyValueList(
            values=[
                KeyValue(key="i", value=AnyValue(int_value=-5)),
                KeyValue(key="d", value=AnyValue(double_value=-0.25)),
                KeyValue(key="b", value=AnyValue(bytes_value=b"\x00\xff")),
                KeyValue(key="a", value=AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="ü")]))),
                KeyValue(key="n", value=AnyValue()),
            ]
        )
    )
    request = request_of(observed_time_unix_nano=7, severity_number=9, body=values, event_name="e", flags=1)
    [record] = records_of_protobuf(request.SerializeToString())
    assert record == LogRecord(
        time=7,
        severity=9,
        body={"i": -5, "d": -0.25, "b": "AP8=", "a": ["ü"], "n": None},
        attributes={"retry": True},
        event_name="e",
        resource={"service.name": "billing"},
        scope="a.logger",
    )
    assert [record] == list(records_of_json(json.dumps(MessageToDict(request)).encode()))


async def test_a_line_of_json_is_opened(tenant: Tenant) -> None:
    """As a collector sends the lines of containers: text, with no severity of its own; and objects of the JS SDK."""
    line = '{"level":60,"name":"p","err":{"type":"RangeError","stack":"x\\n    at a (b.js:1:2)"},"msg":"gone"}'
    body = AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="msg", value=AnyValue(string_value="kaput"))]))
    for request in (request_of(body=AnyValue(string_value=line)), request_of(body=body, severity_number=17)):
        answer = await tenant.http.post("/v1/logs", content=request.SerializeToString(), headers=PROTOBUF)
        assert answer.status_code == 200, answer.text
    first, second = await taken(tenant)
    assert (first["message"], first["severity"], first["error_type"]) == ("gone", "high", "RangeError")
    assert first["trace"].endswith("(b.js:1:2)")
    assert first["context"]["body"] == json.loads(line)
    assert (second["message"], second["severity"], second["context"]["body"]) == ("kaput", "medium", {"msg": "kaput"})


async def test_refusals_are_a_status_in_the_encoding_of_the_request(tenant: Tenant) -> None:
    for body in (b"\xff\xff", b"no protobuf", b"\x0a\x7f", b"\x08\x01" * 500_000):
        answer = await tenant.http.post("/v1/logs", content=body, headers=PROTOBUF)
        assert answer.status_code == 400, answer.text
        assert answer.headers["content-type"] == "application/x-protobuf"
        assert Status.FromString(answer.content).code == 3
    answer = await tenant.http.post("/v1/logs", content=b"[", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, 3)
    anybody = httpx.AsyncClient(transport=tenant.http._transport, base_url=tenant.http.base_url)
    answer = await anybody.post("/v1/logs", content=b"", headers=PROTOBUF)
    assert (answer.status_code, Status.FromString(answer.content).code) == (401, 16)
    assert (await tenant.http.post("/v1/logs", content=b"a", headers={"Content-Type": "text/csv"})).status_code == 400
    assert tenant.count("events") == 0


async def test_records_past_the_limit_are_told_as_rejected(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenant.instance.services.settings.api, "max_events_per_request", 10)
    request = request_of(severity_number=9, body=AnyValue(string_value="all is well"))
    records = request.resource_logs[0].scope_logs[0].log_records
    for _ in range(14):
        records.add().CopyFrom(records[0])
    answer = await tenant.http.post("/v1/logs", content=request.SerializeToString(), headers=PROTOBUF)
    told = ExportLogsServiceResponse.FromString(answer.content).partial_success
    assert (told.rejected_log_records, bool(told.error_message)) == (5, True)
    assert tenant.count("events") == 10


async def test_no_value_anywhere_is_a_crash(tenant: Tenant) -> None:
    document = MessageToDict(request_of(time_unix_nano=1, severity_number=17, body=AnyValue(string_value="a")))
    hostile = [None, True, -1, 1e308, 10**40, "", "\x00", "\ud800", [], {}, [[]], "x" * 2_000]
    many = [mutated for value in hostile for mutated in _mutations(document["resourceLogs"][0], value)]
    assert len(many) > 200
    headers = {"Content-Type": "application/json"}
    answer = await tenant.http.post("/v1/logs", content=json.dumps({"resourceLogs": many}), headers=headers)
    assert answer.status_code == 200, answer.text
    assert tenant.count("events") > 150


def _mutations(value: Any, put: Any) -> list[Any]:
    found = [put]
    if isinstance(value, dict):
        for key, inner in value.items():
            found += [{**value, key: other} for other in _mutations(inner, put)]
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            found += [[*value[:place], other, *value[place + 1 :]] for other in _mutations(inner, put)]
    return found
