"""What may be a password, and how many are hashed at once."""

from __future__ import annotations

import asyncio
import threading

import pytest
from argon2 import PasswordHasher

from opsteward.accounts import password_hashing
from opsteward.accounts.password_hashing import PasswordHashing, check_password
from opsteward.core.errors import Invalid, LimitExceeded


def weak() -> PasswordHasher:
    """Quick, for tests."""
    return PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


@pytest.mark.parametrize("good", ["x" * 12, "x" * 256, "zwölf Zeichen", "🙂" * 12, "            "])
def test_long_enough_is_good(good: str) -> None:
    check_password(good, name="somebody")


@pytest.mark.parametrize("bad", ["", "x" * 11, "x" * 257, "Ada Lovelace", "ADA LOVELACE", "Ａｄａ Ｌｏｖｅｌａｃｅ"])
def test_short_long_and_ones_name_are_not(bad: str) -> None:
    with pytest.raises(Invalid) as error:
        check_password(bad, name="ada lovelace")
    assert [problem.field for problem in error.value.problems] == ["new_password"]
    assert not bad or bad not in str(error.value)


async def test_only_the_password_itself_fits() -> None:
    hashing = PasswordHashing(weak())
    stored = await hashing.hash("correct horse battery")
    assert stored.startswith("$argon2id$")
    assert stored != await hashing.hash("correct horse battery")
    assert await hashing.verify(stored, "correct horse battery")
    for wrong in ("correct horse batterz", "", "Correct horse battery", "nobody's password"):
        assert not await hashing.verify(stored, wrong)
    for none in (None, "", "no hash", stored[:-5]):
        assert not await hashing.verify(none, "nobody's password")


async def test_a_few_at_once_and_not_on_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    hashing, go = PasswordHashing(weak()), threading.Event()
    running: list[int] = []
    most = 0

    def held(password: str) -> str:
        nonlocal most
        running.append(1)
        most = max(most, len(running))
        go.wait(10)
        running.pop()
        return f"hash by {threading.current_thread().name}"

    monkeypatch.setattr(hashing, "_hash", held)
    work = [asyncio.create_task(hashing.hash("x")) for _ in range(8)]
    while len(running) < password_hashing._AT_ONCE:
        await asyncio.sleep(0)
    work[0].cancel()  # its thread works on, and nobody takes its turn
    await asyncio.sleep(0)
    assert len(running) == password_hashing._AT_ONCE
    go.set()
    told = await asyncio.gather(*work, return_exceptions=True)
    assert most == password_hashing._AT_ONCE
    assert isinstance(told[0], asyncio.CancelledError)
    assert all("MainThread" not in str(one) for one in told)


async def test_too_many_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    hashing, go = PasswordHashing(weak()), threading.Event()
    monkeypatch.setattr(hashing, "_hash", lambda _: str(go.wait(10)))
    beyond = password_hashing._AT_ONCE + password_hashing._MAX_WAITING
    work = [asyncio.create_task(hashing.hash("x")) for _ in range(beyond)]
    await asyncio.sleep(0)
    with pytest.raises(LimitExceeded):
        await hashing.hash("x")
    go.set()
    assert await asyncio.gather(*work) == ["True"] * beyond
