"""Compressed bodies of replies: unpacked as far as they are honest, and never for long."""

from __future__ import annotations

import gzip
import os

import pytest

from opsteward.core.http_client import HttpReply

NOISE = os.urandom(100_000)  # of many blocks, packed too


def reply(body: bytes, coding: str = "gzip") -> HttpReply:
    return HttpReply(url="", status=200, headers={"content-encoding": coding}, body=body, truncated=False)


@pytest.mark.parametrize(
    ("body", "plain"),
    [
        (gzip.compress(NOISE), NOISE),
        (gzip.compress(NOISE) + gzip.compress(b"") + gzip.compress(b"more"), NOISE + b"more"),
        (gzip.compress(NOISE) + b"no member", NOISE),
        (gzip.compress(b"first") + gzip.compress(NOISE)[:-2_000] + b"x" * 4_000, b"first"),
        (gzip.compress(b"a" * 3_000_000), b"a" * 1_000_000),
        (b"no member", None),
        (gzip.compress(b"") * 25_000, None),
    ],
    ids=["one", "several", "then none", "then a broken one", "a bomb", "none", "very many"],
)
def test_members_are_unpacked_one_after_the_other(body: bytes, plain: bytes | None) -> None:
    assert reply(body).plain_body() == plain


def test_what_was_cut_short_gives_as_much_as_there_is() -> None:
    unpacked = reply(gzip.compress(NOISE)[:-2_000]).plain_body()
    assert unpacked
    assert NOISE.startswith(unpacked)


def test_codings_upon_codings_are_not_undone() -> None:
    packed = gzip.compress(gzip.compress(b"x"))
    assert reply(packed, "gzip, gzip").plain_body() == b"x"
    assert reply(packed, ", ".join(["gzip"] * 1_000)).plain_body() is None
