"""Signatures as vendors make them, worked out here by their documentation."""

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from opsteward.contracts.source import Signature
from opsteward.core.errors import Unauthenticated
from opsteward.events.sources.catalogue import source_named
from opsteward.events.sources.signatures import check_signature

AT = datetime(2024, 3, 1, 10, tzinfo=UTC)
NOW = str(int(AT.timestamp()))
SECRET = "correct horse battery staple"
BODY = b'{"text": "k\xc3\xa4se\\n"}'
KEY = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


def mac(signed: bytes, secret: bytes = SECRET.encode(), algorithm: str = "sha256") -> hmac.HMAC:
    return hmac.new(secret, signed, algorithm)


def shipped(name: str) -> Signature:
    found = source_named(name).signature
    assert found is not None
    return found


SLACK = Signature(
    header="x-slack-signature", prefix="v0=", signed="v0:{timestamp}:{body}", timestamp="x-slack-request-timestamp"
)
STRIPE = Signature(header="stripe-signature", prefix="v1=", signed="{timestamp}.{body}", timestamp="t=")
ATLAS = Signature(header="x-mms-signature", algorithm="sha1", encoding="base64")
STANDARD = mac(b"msg_1." + NOW.encode() + b"." + BODY, base64.b64decode(KEY)).digest()

SIGNED: list[tuple[str, Signature, str, dict[str, str]]] = [
    ("github", shipped("github"), SECRET, {"x-hub-signature-256": f"sha256={mac(BODY).hexdigest()}"}),
    ("jira", shipped("jira"), SECRET, {"x-hub-signature": f"sha256={mac(BODY).hexdigest()}"}),
    ("grafana", shipped("grafana"), SECRET, {"x-grafana-alerting-signature": mac(BODY).hexdigest().upper()}),
    ("sentry", shipped("sentry"), SECRET, {"sentry-hook-signature": mac(BODY).hexdigest()}),
    ("pagerduty", shipped("pagerduty"), SECRET, {"x-pagerduty-signature": f"v1={'0' * 64},v1={mac(BODY).hexdigest()}"}),
    ("honeycomb", shipped("honeycomb"), SECRET, {"x-honeycomb-webhook-token": SECRET}),
    (
        "standard webhooks", shipped("generic"), f"whsec_{KEY}",
        {"webhook-id": "msg_1", "webhook-timestamp": NOW,
         "webhook-signature": f"v1,AAAA v1,{base64.b64encode(STANDARD).decode()}"},
    ),
    (
        "slack", SLACK, SECRET,
        {"x-slack-request-timestamp": NOW,
         "x-slack-signature": f"v0={mac(b'v0:' + NOW.encode() + b':' + BODY).hexdigest()}"},
    ),
    ("stripe", STRIPE, SECRET, {"stripe-signature": f"t={NOW},v1={mac(NOW.encode() + b'.' + BODY).hexdigest()},v0=x"}),
    ("atlas", ATLAS, SECRET, {"x-mms-signature": base64.b64encode(mac(BODY, algorithm="sha1").digest()).decode()}),
]  # fmt: skip
IDS = [case[0] for case in SIGNED]


@pytest.mark.parametrize(("_", "how", "secret", "headers"), SIGNED, ids=IDS)
def test_what_is_signed_is_taken(_: str, how: Signature, secret: str, headers: dict[str, str]) -> None:
    check_signature(how, secret, headers, BODY, AT)


@pytest.mark.parametrize(("_", "how", "secret", "headers"), SIGNED, ids=IDS)
def test_what_is_not_signed_is_refused(_: str, how: Signature, secret: str, headers: dict[str, str]) -> None:
    wrong = [
        ({}, BODY, secret),
        (headers | {how.header: ""}, BODY, secret),
        (headers | {how.header: f"{how.prefix}käse"}, BODY, secret),
        (headers | {how.header: how.separator * 5000}, BODY, secret),
        (headers, BODY, secret + "x"),
    ]
    if how.scheme == "hmac":
        wrong.append((headers, BODY + b" ", secret))
        wrong.append(
            (headers | {how.header: headers[how.header].replace(how.prefix, "")} if how.prefix else {}, BODY, secret)
        )
    for given, body, key in wrong:
        with pytest.raises(Unauthenticated) as refused:
            check_signature(how, key, given, body, AT)
        assert secret not in str(refused.value) and mac(BODY).hexdigest() not in str(refused.value)


@pytest.mark.parametrize(("_", "how", "secret", "headers"), [case for case in SIGNED if case[1].timestamp])
def test_what_is_sent_again_later_is_refused(_: str, how: Signature, secret: str, headers: dict[str, str]) -> None:
    check_signature(how, secret, headers, BODY, AT + timedelta(seconds=how.tolerance))
    for apart in (how.tolerance + 1, -how.tolerance - 1):
        with pytest.raises(Unauthenticated, match="clock"):
            check_signature(how, secret, headers, BODY, AT + timedelta(seconds=apart))
