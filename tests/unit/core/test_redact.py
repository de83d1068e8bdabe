"""Secrets in every usual shape are masked, and sentences that only speak of secrets stay as they are."""

from __future__ import annotations

import random
import string

import pytest

from opsteward.core.redact import MASK, redact, redact_text

_RANDOM = random.Random(5)
_ANY = string.ascii_letters + string.digits


def _made(length: int, alphabet: str = _ANY) -> str:
    return "".join(_RANDOM.choice(alphabet) for _ in range(length))


#: Where a secret stands that only the word before it betrays.
_BY_WORD = (
    "pwd={}",
    "Server=db;Database=x;User Id=sa;Pwd={};",
    "password={}",
    "PGPASSWORD={}",
    '{{"password": "{}"}}',
    "password: {}",
    "MYSQL_PWD={}",
    "Cookie: session={}; a=b",
    "Set-Cookie: sid={}; Path=/",
    "AccountName=x;AccountKey={}==;EndpointSuffix=core.windows.net",
    "SharedAccessKey={}=",
    "postgresql://app:{}@db/x",
    "redis://:{}@cache:6379/0",
    "Authorization: Basic {}",
    "Authorization: Token {}",
    "Authorization: Digest username=x, response={}",
    "X-Api-Key: {}",
    "https://x.blob.core.windows.net/c?sv=2020&sig={}",
    "https://s3/x?X-Amz-Signature={}",
    "curl --token {} x",
    "mysql --password={} -h x",
    "client_secret={}",
    "access_token={}&x=1",
    "refresh_token: {}",
    "api_key => {}",
    "AWS_SECRET_ACCESS_KEY={}",
    "jdbc:postgresql://h/db?user=a&password={}",
    "jdbc:oracle:thin:scott/{}@h:1521:x",
    "secret: {}",
    "token={}",
    "passwd: {}",
    "passphrase='{}'",
    "--token {}",
    "https://u:{}@host/x",
    "login failed for bob with password={}",
    "'password': '{}'",
    "&password={}",
    "dsn password={} host=x",
    "IDENTIFIED BY secret={}",
)
#: Secrets that bear a shape of their own: what they begin with, and how long they are after it.
_BY_SHAPE = {
    "ghp_": 36, "github_pat_": 60, "glpat-": 20, "xoxb-": 40, "sk-ant-": 60, "sk-": 40, "sk_live_": 24, "hf_": 34,
    "npm_": 36, "hvs.": 30, "whsec_": 32, "dop_v1_": 40, "shpat_": 32, "ops_": 43, "lin_api_": 40, "AIza": 35,
}  # fmt: skip
_HARMLESS = (
    "Token: 5 inputs, 7 outputs",
    "tokens: 512",
    "the token is old",
    "password must be 12 characters",
    "password: must be at least 12 characters long",
    "the secret is missing",
    "Use a secret key: see the guide",
    "token expired",
    "api key missing for tenant",
    "basic functionality works",
    "bearer of the message",
    "commit 3f2a9c1d4e5b60718293a4b5c6d7e8f901234567 built",
    "id 01a2191c-b947-7c4a-98bb-617ef1e0bf85 done",
    "fingerprint 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "/var/lib/opsteward/locks/start",
    "tokens.write is needed",
    "the field token: is no text; send one text",
    "password link was used",
    "secret.key is missing",
    "Key (tenant_id)=(1) already exists",
    "cookie consent shown",
    "3 cookies were set",
    "authorization required",
    "skipped 3 rows",
    "task-runner started",
    "https://example.com/a?page=2&state=1",
    "risk-free",
    "no password given",
    "passwords are hashed",
    "Token usage: input 5 output 9",
    "key=value pairs",
    "sort_key=name",
    "primary_key=id",
    "keyboard: us",
    "password_changed_at 2026-01-01",
    "user asked for token; refused",
    "access key rotation: done",
    "token_type: bearer",
    "password: required",
    "secret: rotated",
    "token_expires_at: 2026-01-01T00:00:00Z",
    "2001:0042:cafe:beef:1234:5678:9abc:def0 answered",
    "arn:aws:iam::123456789012:role/deploy-production-eu",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 pulled",
    "docker-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.scope: Succeeded",
    "req-3b1f9a52-7c1d-4a70-9e1b-0d6f8a3c5e21 GET /v2/servers",
    "web-frontend-7d9c6b8f5d-x2k4p restarted",
    "org.springframework.boot.autoconfigure.web2.ServletV3Factory$$EnhancerBySpringCGLIB$$3f2a9c1d",
    "_ZN4core3fmt9Formatter12pad_integral17h0123456789abcdefE",
    "main-3f2a9c1d4e5b60718293a4b5c6d7e8f9.js not found",
    "/var/lib/docker/overlay2/3f2a9c1d4e5b60718293a4b5c6d7e8f901234567/merged",
    "mail <CAF5u4MiZt0Yk3WqTn8xRb2Lp9Ds@mail.example.com> bounced",
    "ip-10-0-12-34.eu-west-1.compute.internal is unreachable",
)
#: Tokens of products that no list here names: what betrays them is their disorder.
_BY_DISORDER = (
    ("zzq_", 40, _ANY),
    ("vendor9.", 48, _ANY),
    ("acme_", 40, string.hexdigits[:16]),
    ("ACME-", 44, string.ascii_uppercase + string.digits),
    ("", 44, _ANY),
)


@pytest.mark.parametrize("place", _BY_WORD)
def test_a_secret_goes_where_its_word_stands_before_it(place: str) -> None:
    secret = _made(14)
    shown = redact_text(place.format(secret))
    assert secret not in shown
    assert MASK in shown


@pytest.mark.parametrize(("beginning", "length", "alphabet"), _BY_DISORDER)
def test_a_token_of_an_unknown_product_is_known_by_its_disorder(beginning: str, length: int, alphabet: str) -> None:
    secret = _made(length, alphabet)
    assert redact_text(f"got {beginning}{secret} from somewhere") == f"got {beginning}{MASK} from somewhere"


@pytest.mark.parametrize("line", ["machine x login ada password {}", "db.example:5432:app:ada:{}"])
def test_lines_of_client_files_lose_their_password(line: str) -> None:
    assert redact_text(line.format("hunter2zz")) == line.format(MASK)


@pytest.mark.parametrize("beginning", _BY_SHAPE)
def test_a_token_is_known_by_its_beginning(beginning: str) -> None:
    secret = _made(_BY_SHAPE[beginning])
    assert redact_text(f"got {beginning}{secret} from somewhere") == f"got {beginning}{MASK} from somewhere"


@pytest.mark.parametrize(("text", "secret"), [
    ("id AKIA{} used", _made(16, string.ascii_uppercase + string.digits)),
    ("mail by SG.{}", f"{_made(22)}.{_made(43)}"),
    ("jwt eyJ{} refused", f"{_made(20)}.{_made(30)}.{_made(40)}"),
    ("https://hooks.slack.com/services/{}", f"T0000/B0000/{_made(24)}"),
    ("https://discord.com/api/webhooks/{}", f"123456789/{_made(60)}"),
    ("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----", _made(64)),
    ('"private_key": "-----BEGIN PRIVATE KEY-----\\n{}\\n-----END PRIVATE KEY-----\\n"', _made(64)),
    ("-----BEGIN OPENSSH PRIVATE KEY-----\n{} (cut off", _made(64)),
])  # fmt: skip
def test_other_shapes(text: str, secret: str) -> None:
    assert secret[-12:] not in redact_text(text.format(secret))


@pytest.mark.parametrize("text", _HARMLESS)
def test_what_only_speaks_of_secrets_stays(text: str) -> None:
    assert redact_text(text) == text


def test_structures_are_masked_by_their_keys() -> None:
    given = {"pwd": "a", "tokens": 5, "token_id": "x", "user": {"api_key": "b", "note": "pwd=c"}, "raw": b"token=d1"}
    assert redact(given) == {
        "pwd": MASK, "tokens": 5, "token_id": "x", "user": {"api_key": MASK, "note": f"pwd={MASK}"},
        "raw": f"token={MASK}",
    }  # fmt: skip
