"""Notices of the live feed as they are parsed: junk on its channel is passed over."""

from __future__ import annotations

from uuid import UUID

import pytest

from opsteward.core.feed import Notice, _parse

TENANT = "01890a5d-ac96-774b-bcce-b302099a8057"


def test_a_notice_is_read() -> None:
    payload = f'{{"tenant": "{TENANT}", "kind": "incident", "id": "7"}}'
    assert _parse(payload) == Notice(UUID(TENANT), "incident", "7")


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "hello",
        "null",
        "7",
        "[]",
        '"text"',
        "{}",
        '{"tenant": null, "kind": "x", "id": "1"}',
        '{"tenant": 5, "kind": "x", "id": "1"}',
        '{"tenant": "nobody", "kind": "x", "id": "1"}',
        f'{{"tenant": "{TENANT}", "kind": "x"}}',
        "[" * 7_900,
    ],
)
def test_junk_is_passed_over(payload: str) -> None:
    assert _parse(payload) is None
