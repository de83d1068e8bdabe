"""Encryption, tokens, derived ids and redaction."""

from __future__ import annotations

import base64
import os
import stat
import time
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsteward.core.crypto import SecretBox, canonical_json, digest, new_token, token_hash
from opsteward.core.errors import Invalid
from opsteward.core.ids import derived_id, uuid7
from opsteward.core.redact import MASK, redact, redact_text
from opsteward.core.secret_key import load_secret

BOX = SecretBox(b"k" * 32)


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=5))
def test_what_is_encrypted_comes_back(value: dict[str, str]) -> None:
    assert BOX.decrypt(BOX.encrypt(value, bound_to="a"), bound_to="a") == value


def test_a_copied_or_changed_cell_opens_nothing() -> None:
    sealed = BOX.encrypt({"password": "hunter2"}, bound_to="tenant/system")
    assert b"hunter2" not in sealed
    for attempt in (
        lambda: BOX.decrypt(sealed, bound_to="tenant/other"),
        lambda: SecretBox(b"x" * 32).decrypt(sealed, bound_to="tenant/system"),
        lambda: BOX.decrypt(sealed[:-1] + bytes([sealed[-1] ^ 1]), bound_to="tenant/system"),
    ):
        with pytest.raises(Invalid, match="credentials"):
            attempt()


def test_the_secret_is_made_once_and_private(tmp_path: Path) -> None:
    first = load_secret(None, tmp_path)
    assert load_secret(None, tmp_path) == first
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600
    given = base64.b64encode(os.urandom(32)).decode()
    assert load_secret(given, tmp_path) == base64.b64decode(given)
    with pytest.raises(Invalid, match="OPSTEWARD_SECRET_KEY"):
        load_secret("not base64!", tmp_path)
    with pytest.raises(Invalid, match="OPSTEWARD_SECRET_KEY"):
        SecretBox(b"short")


def test_role_passwords_differ_and_stay() -> None:
    assert BOX.role_password("a") == BOX.role_password("a") != BOX.role_password("b")


def test_tokens_are_unguessable_and_stored_as_hashes() -> None:
    one, other = new_token(), new_token()
    assert one != other
    assert len(one) > 40
    assert token_hash(one) != token_hash(other)
    assert len(token_hash("\ud800 lone surrogate")) == 32


def test_canonical_json_is_one_text_for_one_value() -> None:
    assert canonical_json({"b": 1, "a": "ä"}) == '{"a":"ä","b":1}'
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})


def test_uuid7_is_ordered_by_time_and_derived_ids_repeat() -> None:
    ids = [uuid7() for _ in range(50)]
    assert all(i.version == 7 for i in ids)
    assert [i.int >> 80 for i in ids] == sorted(i.int >> 80 for i in ids)
    assert derived_id(ids[0], "x") == derived_id(ids[0], "x") != derived_id(ids[0], "y")
    assert isinstance(derived_id(ids[0], "x"), UUID)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://shop:hunter2@db/shop",
        "Authorization: Bearer hunter2hunter2",
        "password=hunter2 host=db",
        "token: 'hunter2'",
        "the link is http://h/sign-in?code=ops_hunter2hunter2hunter2",
        '{"password": "hunter2", "user": "u"}',
        '{"password": "a \\"quoted\\" hunter2"}',
        r"{\"client_secret\": \"hunter2\"}",
        "'password': 'x hunter2'",
        "DB_PASSWORD=hunter2",
        "PGPASSWORD=hunter2 psql",
        "AWS_SECRET_ACCESS_KEY=hunter2/a+b",
        "grant_type=x&client_secret=hunter2&scope=y",
        "accessToken: hunter2",
        "Authorization: Basic hunter2==",
        '"authorization": "Basic hunter2=="',
        "Authorization: hunter2",
    ],
)
def test_secrets_in_text_are_masked(text: str) -> None:
    assert "hunter2" not in redact_text(text)
    assert MASK in redact_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "the token is old, and the password was changed",
        "tokens: 5, a secretary: Bob",
        "basic authentication failed: 401",
        "the Authorization header is not 'Bearer <token>'",
        "passwords: none",
    ],
)
def test_prose_stays_readable(text: str) -> None:
    assert redact_text(text) == text


def test_what_stands_around_a_secret_stays() -> None:
    assert redact_text('{"password": "hunter2", "user": "u"}') == f'{{"password": "{MASK}", "user": "u"}}'
    assert redact_text("PGPASSWORD=hunter2 psql") == f"PGPASSWORD={MASK} psql"
    assert redact_text("Authorization: Basic aHVudGVyMg== x") == f"Authorization: Basic {MASK} x"


@pytest.mark.parametrize("part", ["password", "secret_", 'token="', "authorization: ", "token\\", "api-key ", "x://"])
def test_long_text_takes_linear_time(part: str) -> None:
    started = time.process_time()
    redact_text(part * (400_000 // len(part)))
    assert time.process_time() - started < 3


def test_secrets_under_telling_keys_are_masked() -> None:
    value = {"user": "u", "Password": "hunter2", "nested": [{"api_key": "hunter2"}, "password=hunter2"]}
    assert "hunter2" not in str(redact(value))
    assert redact(value)["user"] == "u"
