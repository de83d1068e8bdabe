"""HTTP APIs declared in settings: every kind of paging, whole or not, changes, sign-in, and no way to other servers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import pytest
from real_parts import system, tcp_server
from records_api import RecordsApi, records_api

from opsteward.contracts.records import Batch, Change, Coverage, Operation, Outcome, Record
from opsteward.core.errors import AuthFailed, BadReply, Invalid, RateLimited, Unreachable
from opsteward.core.http_client import refuse_networks
from opsteward.integrations.rest.connector import RestConnector
from opsteward.integrations.webhook.connector import WebhookConnector

PAGINGS: dict[str, dict[str, Any]] = {
    "none": {"kind": "none"},
    "page": {"kind": "page", "param": "page", "size": 3, "size_param": "n"},
    "offset": {"kind": "offset", "param": "offset", "size": 3, "size_param": "n"},
    "cursor": {"kind": "cursor", "param": "cursor", "next": "meta.next"},
    "next_url": {"kind": "next_url", "next": "meta.next"},
    "link": {"kind": "link"},
}


@pytest.fixture
async def api() -> AsyncIterator[RecordsApi]:
    async with records_api() as running:
        running.fill(8)
        yield running


def connector(api: RecordsApi, credentials: dict[str, str] | None = None, **resource: Any) -> RestConnector:
    calls = {kind: {"method": "PATCH", "path": "none/{id}"} for kind in ("update", "disable")}
    calls["disable"]["body"] = {"on": False}  # type: ignore[assignment]
    calls |= {"create": {"method": "POST", "path": "none"}, "delete": {"method": "DELETE", "path": "none/{id}"}}
    declared = {"path": "none", "key": "name", "active": "on", **calls, **resource}
    target = system(api.endpoint, resources={"people": declared}, timeout_seconds=2)
    return RestConnector(RestConnector.config_for(target, credentials or {}))


def paged(kind: str) -> dict[str, Any]:
    nested = {} if kind == "none" else {"items": "data.items"}
    return {"path": kind, "paging": PAGINGS[kind], **nested}


async def read(via: RestConnector) -> tuple[list[Record], Batch]:
    batches = [batch async for batch in via.read("people")]
    return [r for b in batches for r in b.upserts], batches[-1]


@pytest.mark.parametrize("kind", PAGINGS)
@pytest.mark.parametrize("count", [0, 3, 8, 9])
async def test_every_kind_of_paging_gives_everyone_once(api: RecordsApi, kind: str, count: int) -> None:
    api.fill(count)
    records, last = await read(connector(api, **paged(kind)))
    assert [r.native_id for r in records] == [str(n) for n in range(1, count + 1)]
    assert last.coverage is Coverage.FULL


async def test_a_list_that_holds_fewer_than_it_says_is_not_whole(api: RecordsApi) -> None:
    api.lost = 2
    records, last = await read(connector(api, **paged("cursor"), total="meta.total"))
    assert len(records) == 6 and last.coverage is Coverage.PARTIAL and "8" in last.note


async def test_pages_in_a_circle_and_pages_of_another_server_are_refused(api: RecordsApi) -> None:
    with pytest.raises(BadReply, match="circle"):
        await read(connector(api, **paged("cursor") | {"path": "circle"}))
    api.elsewhere = "http://169.254.169.254/latest"
    for kind in ("next_url", "link"):
        with pytest.raises(BadReply, match="another server"):
            await read(connector(api, {"token": "s3cret"}, **paged(kind)))
    with pytest.raises(BadReply):
        await read(connector(api, items="nothing.here"))


async def test_records_are_made_changed_and_removed_and_a_repeat_changes_nothing(api: RecordsApi) -> None:
    via = connector(api)

    def change(operation: Operation, native_id: str | None = None, **values: Any) -> Change:
        return Change(key=f"{operation}-1", operation=operation, native_id=native_id, values=values)

    results = await via.write(
        "people",
        [
            change(Operation.CREATE, None, name="Zoë/?"),
            change(Operation.CREATE, None, name="Zoë/?"),
            change(Operation.CREATE, None, name="p1", on=False),
            change(Operation.UPDATE, "1", name="one"),
            change(Operation.UPDATE, "1", name="one"),
            change(Operation.UPDATE, "../2", name="two"),
            change(Operation.DISABLE, "2"),
            change(Operation.DISABLE, "2"),
            change(Operation.DELETE, "3"),
            change(Operation.DELETE, "3"),
        ],
    )
    done, same = Outcome.DONE, Outcome.UNCHANGED
    expected = [done, same, Outcome.EXISTS, done, same, Outcome.MISSING, done, same, done, same]
    assert [r.outcome for r in results] == expected
    assert results[2].native_id == "1" and results[0].native_id == "9"
    assert api.calls[0][:2] == ("POST", "/api/none") and api.calls[0][2]["Idempotency-Key"] == "create-1"
    assert (await via.get("people", ["2", "77"]))["2"].active is False


async def test_each_way_to_sign_in_is_sent(api: RecordsApi) -> None:
    ways = {
        "Authorization: Bearer t": {"token": "t"},
        "Authorization: Basic dTpw": {"username": "u", "password": "p"},
        "X-API-Key: k": {"api_key": "k"},
        "Authorization: Bearer granted": {
            "client_id": "c",
            "client_secret": "s",
            "token_url": f"{api.endpoint}/token",
        },
    }
    for sent, credentials in ways.items():
        name, _, value = sent.partition(": ")
        await read(connector(api, credentials))
        assert api.calls[-1][2][name] == value


@pytest.mark.parametrize(
    ("status", "retry_after", "error"),
    [
        (401, "", AuthFailed),
        (403, "", AuthFailed),
        (429, "7", RateLimited),
        (503, "7", RateLimited),
        (500, "", Unreachable),
        (404, "", BadReply),
        (302, "", BadReply),
    ],
)
async def test_statuses_are_errors_that_say_what_to_do(
    api: RecordsApi, status: int, retry_after: str, error: type[Exception]
) -> None:
    api.status, api.retry_after = status, retry_after
    with pytest.raises(error) as raised:
        await read(connector(api, {"token": "s3cret"}))
    assert "s3cret" not in str(raised.value)
    if retry_after:
        assert raised.value.extra["retry_after"] == 7.0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://169.254.169.254/api",
        "http://[::ffff:169.254.169.254]/",
        "http://0xa9fea9fe/",
        "http://2852039166/",
        "http://0251.0376.0251.0376/",
        "http://[fd00:ec2::254]/",
        "http://100.100.100.200/",
    ],
)
@pytest.mark.parametrize("kind", ["rest", "webhook"])
async def test_metadata_addresses_are_refused_however_they_are_written(endpoint: str, kind: str) -> None:
    with pytest.raises((Unreachable, BadReply, Invalid)) as refused:
        if kind == "rest":
            declared = {"people": {"path": "x"}}
            await RestConnector(RestConnector.config_for(system(endpoint, resources=declared), {})).probe()
        else:
            key = base64.b64encode(b"k" * 32).decode()
            await WebhookConnector(WebhookConnector.config_for(system(endpoint), {"signing_secret": key})).probe()
    assert "allowed" in str(refused.value) or isinstance(refused.value, Invalid)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "2130706433", "127.1", "[::ffff:127.0.0.1]"])
async def test_networks_that_the_installation_refuses_are_not_connected_to(api: RecordsApi, host: str) -> None:
    refuse_networks([ip_network("127.0.0.0/8"), ip_network("::1/128")])
    try:
        target = system(f"http://{host}:{api.port}/api", resources={"people": {"path": "none"}})
        with pytest.raises(Unreachable, match="no address of that network"):
            await RestConnector(RestConnector.config_for(target, {})).probe()
    finally:
        refuse_networks([])
    assert api.calls == []


async def test_a_name_that_leads_elsewhere_between_two_looks_gains_nothing(
    api: RecordsApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address that was looked at is the one that is connected to (DNS rebinding)."""
    looks: list[str] = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        looks.append(host)
        address = "127.0.0.1" if len(looks) == 1 else "169.254.169.254"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr("opsteward.core.http_client.socket.getaddrinfo", resolve)
    via = RestConnector(
        RestConnector.config_for(
            system(f"http://rebinds.test:{api.port}/api", resources={"people": {"path": "none"}}), {}
        )
    )
    await via.probe()
    assert looks == ["rebinds.test"]
    with pytest.raises(Unreachable, match="never allowed"):
        await via.probe()


async def test_a_redirect_to_a_metadata_address_is_refused() -> None:
    async def answer(reader: Any, writer: Any) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 F\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n")

    async with tcp_server(answer) as port:
        target = system(f"http://127.0.0.1:{port}", resources={"people": {"path": "x"}})
        with pytest.raises(Unreachable, match="allowed"):
            await RestConnector(RestConnector.config_for(target, {"token": "t"})).probe()


async def test_a_webhook_is_signed_so_that_its_receiver_can_tell(api: RecordsApi) -> None:
    key = b"k" * 32
    received: list[bytes] = []

    async def answer(reader: Any, writer: Any) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        received.append(head + await reader.readexactly(length))
        writer.write(b"HTTP/1.1 204 No\r\n\r\n")

    async with tcp_server(answer) as port:
        secret = {"signing_secret": "whsec_" + base64.b64encode(key).decode()}
        via = WebhookConnector(WebhookConnector.config_for(system(f"http://127.0.0.1:{port}/hook"), secret))
        change = Change(key="c-1", operation=Operation.UPDATE, native_id="7", values={"name": "Zoë"})
        (result,) = await via.write("people", [change])
    assert result.outcome is Outcome.DONE
    head, _, body = received[0].partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}" and headers["webhook-id"] == "c-1"
    for secret_text in ("short", "c2hvcnQ="):
        with pytest.raises(Invalid):
            WebhookConnector.config_for(system("http://x/"), {"signing_secret": secret_text})


@pytest.mark.parametrize(
    ("told", "active"),
    [(True, True), (False, False), ("true", True), ("False", False), ("0", False), (1, True), (0, False),
     ("inactive", False), (None, None), ("", None)],
)  # fmt: skip
async def test_whether_an_account_is_in_use_is_told_in_many_ways_or_not_at_all(
    api: RecordsApi, told: Any, active: bool | None
) -> None:
    api.people = {"1": {"id": 1, "name": "a", "on": told, "gone": told}, "2": {"id": 2, "name": "b"}}
    records, _ = await read(connector(api))
    assert [record.active for record in records] == [active, None]
    records, _ = await read(connector(api, deleted="gone"))
    assert [record.native_id for record in records] == (["2"] if active else ["1", "2"])
