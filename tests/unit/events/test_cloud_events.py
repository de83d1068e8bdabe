"""CloudEvents: structured, batch and binary; what they carry is read as any body, and a delivery has a name."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from opsteward.events.sources.catalogue import source_named
from opsteward.events.sources.cloud_events import Delivery, deliveries_of
from opsteward.events.sources.mapping import read
from opsteward.events.sources.unwrapping import CarriedTexts
from opsteward.events.types import NewEvent

EVENT = {
    "specversion": "1.0",
    "id": "a-1",
    "source": "/sensors/tn-12",
    "type": "com.example.temperature",
    "subject": "rack 7",
    "time": "2024-03-01T10:00:00Z",
    "datacontenttype": "application/json",
}
DATA = {"title": "Rack is hot", "severity": "critical", "status": "firing"}


def delivered(body: Any, headers: dict[str, str], source: str = "cloudevents") -> list[Delivery]:
    return deliveries_of(body, headers, source=source, carried=CarriedTexts())


def one(body: Any, headers: dict[str, str] | None = None, source: str = "cloudevents") -> NewEvent:
    [delivery] = delivered(body, headers or {})
    [event] = read(source_named(source), delivery.body, {}, limit=10).events
    return event


def test_the_data_is_read_and_the_attributes_fill_in() -> None:
    event = one(EVENT | {"data": DATA})
    assert (event.message.splitlines()[0], event.severity, event.resolved) == ("Rack is hot", "high", False)
    assert event.occurred_at == datetime(2024, 3, 1, 10, tzinfo=UTC)
    over = one(EVENT | {"id": "a-2", "data": DATA | {"status": "resolved"}})
    elsewhere = one(EVENT | {"subject": "rack 8", "data": DATA})
    assert over.resolved
    assert over.group_key == event.group_key != elsewhere.group_key


def test_the_three_modes_say_the_same() -> None:
    headers = {f"ce-{name}": value for name, value in EVENT.items() if name != "datacontenttype"}
    structured, binary = one(EVENT | {"data": DATA}), one(DATA, headers | {"ce-subject": "rack%207"})
    carried = one(
        EVENT | {"data_base64": base64.b64encode(b'{"title": "Rack is hot", "severity": "critical"}').decode()}
    )
    assert structured.group_key == binary.group_key == carried.group_key
    assert structured.occurred_at == binary.occurred_at == carried.occurred_at
    batch = delivered([EVENT | {"data": DATA}, EVENT | {"id": "a-2"}], {})
    assert len({delivery.digest for delivery in batch}) == 2
    assert batch[0].digest == delivered(DATA, headers)[0].digest


def test_an_alert_of_a_known_source_may_come_in_an_event() -> None:
    alert = {"schemaId": "azureMonitorCommonAlertSchema", "data": {"essentials": {
        "originAlertId": "o", "alertRule": "Heartbeat lost", "severity": "Sev1",
        "monitorCondition": "Resolved"}}}  # fmt: skip
    event = one(EVENT | {"data": alert}, source="azure")
    assert (event.message.splitlines()[0], event.severity, event.resolved) == ("Heartbeat lost", "high", True)


def test_what_is_no_event_is_as_it_is() -> None:
    for body in ({"id": "a", "source": "b"}, [], "a", [EVENT, 1], EVENT | {"id": 7}, EVENT | {"source": ""}):
        [delivery] = delivered(body, {"ce-id": "a"})
        assert (delivery.body, delivery.digest) == (body, None)
    for data in (None, "", "words", [1], 7, "{", "\0"):
        assert one(EVENT | {"data": data}).message.strip()
