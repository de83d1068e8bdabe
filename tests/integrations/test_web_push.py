"""Messages to browsers: encrypted for each of them, signed as ours, and never sent where the guard refuses."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from opsteward.core.errors import Invalid
from opsteward.integrations.apprise.web_push import PushKey, PushMessage, Subscription, checked_subscription, push
from support.push_service import Browser, PushService, push_service, sender_of

HERE = ["127.0.0.1"]
KEY = PushKey(b"\x07" * 32)
MESSAGE = PushMessage(title="Incident 7: disk is full", body="#7 high, open", path="/incidents/7")


@pytest.fixture
def service() -> Iterator[PushService]:
    with push_service() as one:
        yield one


def subscribed(browser: Browser, site: str = "https://ops.example.com") -> Subscription:
    return checked_subscription(**browser.form, site=site, hosts=HERE)


async def test_each_browser_reads_what_was_encrypted_for_it_and_knows_who_sent_it(service: PushService) -> None:
    one, other = service.browser("one"), service.browser("other")
    outcome = await push([subscribed(one).url, subscribed(other).url], MESSAGE, KEY, HERE)
    assert outcome.sent == ["browser (127.0.0.1)"] * 2
    assert (outcome.failed, outcome.gone) == ([], [])
    told = {"title": MESSAGE.title, "body": MESSAGE.body, "path": "/incidents/7", "tag": "/incidents/7"}
    assert service.sent_to(one) == service.sent_to(other) == [told]
    taken = service.taken[0]
    with pytest.raises(Exception, match=r".*"):
        (other if one.endpoint.endswith(taken.path) else one).reads(taken)
    sender = sender_of(taken)
    assert sender["k"] == KEY.public()
    assert sender["aud"] == f"http://127.0.0.1:{service.port}"
    assert sender["sub"] == "https://ops.example.com"
    assert 0 < sender["exp"] - time.time() <= 24 * 3600
    assert (taken.headers["content-encoding"], taken.headers["ttl"]) == ("aes128gcm", "14400")
    assert b"disk" not in taken.body


async def test_browsers_that_are_gone_are_told_apart_from_a_service_that_fails(service: PushService) -> None:
    url = subscribed(service.browser("one")).url
    for status in (404, 410):
        service.status = status
        assert (await push([url], MESSAGE, KEY, HERE)).gone == [url]
    for status in (413, 429, 500, 301):
        service.status = status
        outcome = await push([url], MESSAGE, KEY, HERE)
        assert (outcome.sent, outcome.gone) == ([], [])
        assert outcome.failed == [f"browser (127.0.0.1): answered {status}"]
    secrets = service.browser("one").form
    assert secrets["auth"] not in str(outcome)


async def test_a_message_fits_whatever_it_says(service: PushService) -> None:
    browser = service.browser("one")
    for words in ("x" * 10_000, "\N{SNOWMAN}" * 10_000, '"\\\n' * 5_000, "\N{PILE OF POO}" * 10_000):
        await push([subscribed(browser).url], PushMessage(title=words, body=words, path="/"), KEY, HERE)
    assert len(service.sent_to(browser)) == 4
    assert max(len(one.body) for one in service.taken) <= 4096


async def test_an_address_that_the_guard_refuses_is_not_asked(service: PushService) -> None:
    url = subscribed(service.browser("one")).url
    outcome = await push([url], MESSAGE, KEY, hosts=[])
    assert outcome.sent == []
    assert "private addresses are not allowed" in outcome.failed[0]
    assert service.taken == []


@pytest.mark.parametrize(
    "endpoint",
    [
        "", "push", "http://push.example.com/x", "ftp://push.example.com/x", "https://", "https:///x",
        "https://10.0.0.1/x", "https://169.254.169.254/latest", "https://[::1]/x", "https://[fe80::1]/x",
        "https://me:pw@push.example.com/x", "https://push.example.com:99999/x", "https://push.example.com:0/x",
        "https://[::1/x", "https://push.example.com/" + "x" * 1_000, "javascript:alert(1)",
    ],
)  # fmt: skip
def test_an_endpoint_that_is_no_push_service_is_refused(endpoint: str) -> None:
    form = Browser(endpoint=endpoint).form
    with pytest.raises(Invalid) as caught:
        checked_subscription(**form, site="https://ops.example.com", hosts=HERE)
    assert caught.value.problems[0].field == "endpoint"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("p256dh", ""), ("p256dh", "no key"), ("p256dh", "BAAA"), ("p256dh", "A" * 87), ("p256dh", "\u00e9" * 87),
        ("auth", ""), ("auth", "AAAA"), ("auth", "!" * 22), ("auth", "A" * 200),
    ],
)  # fmt: skip
def test_keys_that_are_none_are_refused(field: str, value: str) -> None:
    form = Browser(endpoint="https://push.example.com/x").form | {field: value}
    with pytest.raises(Invalid) as caught:
        checked_subscription(**form, site="https://ops.example.com", hosts=[])
    assert caught.value.problems[0].field == field


def test_the_key_of_an_installation_is_the_same_in_every_process() -> None:
    seed = os.urandom(32)
    assert PushKey(seed).public() == PushKey(seed).public() != KEY.public()
    assert PushKey(b"\xff" * 32).public()  # beyond the curve's order
    assert PushKey(b"\x00" * 32).public()
