"""Messages of the Simple Notification Service, signed by a service of our own: certificate, versions, confirmation."""

from __future__ import annotations

import base64
import http.server
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from opsteward.core.errors import Denied, OpsError
from opsteward.events.sources.sns import SnsMessages
from opsteward.events.sources.taking import SourceIntake
from support.instance import Tenant
from support.problems import problem_of

TOPIC = "arn:aws:sns:eu-central-1:123456789012:alarms"
ALARM = {"AlarmName": "cpu-of-db1", "NewStateValue": "ALARM", "NewStateReason": "Threshold crossed",
         "StateChangeTime": "2024-03-01T10:00:00.000+0000", "AWSAccountId": "123456789012"}  # fmt: skip


class Service:
    """It serves its certificate and counts what it is asked for, as the real one does."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.asked: list[str] = []
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        at = datetime.now(UTC)
        made = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self.key.public_key())
            .serial_number(1).not_valid_before(at - timedelta(days=1)).not_valid_after(at + timedelta(days=1))
            .sign(self.key, SHA256())
        )  # fmt: skip
        certificate, asked = made.public_bytes(Encoding.PEM), self.asked

        class Answers(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(200 if self.path.startswith(("/cert.pem", "/?Action=Confirm")) else 404)
                self.end_headers()
                self.wfile.write(certificate)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.origin = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def message(self, kind: str = "Notification", version: str = "2", **changed: str) -> dict[str, str]:
        """A message as the service sends it, signed by the documentation's string."""
        message = {
            "Type": kind, "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b", "TopicArn": TOPIC,
            "Message": json.dumps(ALARM), "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "SignatureVersion": version, "SigningCertURL": f"{self.origin}/cert.pem",
        } | changed  # fmt: skip
        if kind == "Notification":
            message = {"Subject": "ALARM: cpu-of-db1", **message}
            names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
        else:
            message |= {"Token": "2336412f37", "SubscribeURL": f"{self.origin}/?Action=ConfirmSubscription&Token=2336"}
            names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        signed = "".join(f"{name}\n{message[name]}\n" for name in names).encode()
        algorithm = SHA1() if version == "1" else SHA256()
        return message | {"Signature": base64.b64encode(self.key.sign(signed, padding.PKCS1v15(), algorithm)).decode()}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    one = Service()
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture
async def allowed(tenant: Tenant, service: Service, monkeypatch: pytest.MonkeyPatch) -> Tenant:
    """A tenant that allows the topic, at an installation that believes this service."""
    services = tenant.instance.services
    believing = SourceIntake(
        services.web,
        services.intake_queue,
        services.own_sources,
        services.source_tallies,
        SnsMessages((service.origin,)),
    )
    monkeypatch.setattr(tenant.instance.app.state.services, "source_intake", believing)
    answer = await tenant.http.patch("/api/v1/sources/cloudwatch", json={"topics": [TOPIC]})
    assert answer.status_code == 200, answer.text
    return tenant


@pytest.mark.parametrize("version", ["1", "2"])
async def test_a_signed_message_of_an_allowed_topic_is_taken(allowed: Tenant, service: Service, version: str) -> None:
    for _ in range(2):
        answer = await allowed.http.post("/api/v1/intake/sns", json=service.message(version=version))
        assert answer.status_code == 202, answer.text
    [incident] = (await allowed.http.get("/api/v1/incidents")).json()["items"]
    assert (incident["title"], incident["event_count"]) == ("cpu-of-db1", 2)


async def test_the_certificate_is_fetched_once(allowed: Tenant, service: Service) -> None:
    before = len(service.asked)
    for _ in range(3):
        await allowed.http.post("/api/v1/intake/sns", json=service.message())
    assert service.asked[before:] == ["/cert.pem"]


async def test_what_is_not_signed_as_it_should_is_refused(allowed: Tenant, service: Service) -> None:
    good = service.message()
    other_topic = service.message(TopicArn=TOPIC + "2")
    old = service.message(Timestamp="2024-03-01T10:00:00.000Z")
    for body, status in (
        (good | {"Message": json.dumps(ALARM | {"AlarmName": "other"})}, 401),
        (good | {"Signature": "AAAA"}, 401),
        (good | {"Signature": "no base64"}, 401),
        (good | {"SignatureVersion": "3"}, 401),
        ({k: v for k, v in good.items() if k != "Signature"}, 401),
        (ALARM, 401),
        (other_topic, 403),
        (old, 401),
        (good | {"SigningCertURL": "https://sns.eu-central-1.amazonaws.com.evil.example/cert.pem"}, 403),
        (good | {"SigningCertURL": "http://sns.eu-central-1.amazonaws.com/cert.pem"}, 403),
        (good | {"SigningCertURL": "http://169.254.169.254/latest"}, 403),
        (good | {"SigningCertURL": "https://user@sns.eu-central-1.amazonaws.com/cert.pem"}, 403),
        (good | {"SigningCertURL": "http://[::1"}, 403),
        (good | {"SigningCertURL": f"{service.origin}/none.pem"}, 401),
    ):
        problem_of(await allowed.http.post("/api/v1/intake/sns", json=body), status)
    assert allowed.count("events") == 0


async def test_a_subscription_is_confirmed_for_allowed_topics_alone(
    allowed: Tenant, service: Service, other_tenant: Tenant
) -> None:
    asks = service.message("SubscriptionConfirmation", Message="You have chosen to subscribe")
    before = len(service.asked)
    assert (await other_tenant.http.post("/api/v1/intake/sns", json=asks)).status_code == 202
    assert service.asked[before:] == []  # who has allowed no topic confirms none
    problem_of(await allowed.http.post("/api/v1/intake/sns", json=asks | {"Signature": "AAAA"}), 401)
    elsewhere = service.message("SubscriptionConfirmation", TopicArn=TOPIC + "2")
    problem_of(await allowed.http.post("/api/v1/intake/sns", json=elsewhere), 403)
    assert not any("Confirm" in path for path in service.asked[before:])
    assert (await allowed.http.post("/api/v1/intake/sns", json=asks)).status_code == 202
    assert service.asked[-1] == "/?Action=ConfirmSubscription&Token=2336"
    [entry] = allowed.instance.sql(
        "select object_id, detail from opsteward.audit_entries where tenant_id = %s"
        " and verb = 'source.subscription_confirmed'",
        allowed.id,
    )
    assert entry == ("cloudwatch", {"topic": TOPIC})


async def test_amazon_alone_is_believed_where_nothing_else_is_set() -> None:
    plain = SnsMessages()
    good = {"Type": "Notification", "TopicArn": TOPIC, "Timestamp": datetime.now(UTC).isoformat()}
    for url in (
        "http://127.0.0.1:1/cert.pem",
        "https://localhost/cert.pem",
        "https://sns.amazonaws.com.evil.example/x",
    ):
        with pytest.raises(Denied):
            await plain.check(good | {"SigningCertURL": url}, (TOPIC,))
    with pytest.raises(OpsError, match=r"sns\.eu-central-1\.amazonaws\.com"):  # believed, and out of reach from here
        await plain.check(good | {"SigningCertURL": "https://sns.eu-central-1.amazonaws.com/cert.pem"}, (TOPIC,))
