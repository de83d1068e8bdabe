"""Passwords as such: what is good enough to be one, and hashing them with Argon2. Whose they are is in `passwords`."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import Invalid, LimitExceeded

if TYPE_CHECKING:
    from argon2 import PasswordHasher

P = ParamSpec("P")
T = TypeVar("T")

SHORTEST = 12
MAX_DURATION = 256
_AT_ONCE = 2  # each holds 64 MiB and a core for some 50 ms
_MAX_WAITING = 64


def normalized(password: str) -> str:
    """One text for what looks the same, however a keyboard composes it."""
    return unicodedata.normalize("NFKC", password)


def check_password(password: str, *, name: str, field: str = "new_password") -> None:
    """Raises Invalid naming `field` for a password that is too short or long, or the operator's own name."""
    plain = normalized(password)
    if not SHORTEST <= len(plain) <= MAX_DURATION:
        raise Invalid.field(
            field, f"has not {SHORTEST} to {MAX_DURATION} characters", "several words are easy to remember"
        )
    if plain.casefold() == normalized(name).casefold():
        raise Invalid.field(field, "is the operator's name", "use something that nobody guesses")


class PasswordHashing:
    """Argon2id with the library's parameters, on threads, a few at once. One per process."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher
        self._nobodys: str | None = None
        self._concurrency_limit = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """Raises LimitExceeded when too many wait."""
        return await self._in_turn(self._hash, normalized(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether this is the password; takes as long when there is none to compare with. Raises LimitExceeded."""
        return await self._in_turn(self._verify, stored, normalized(password))

    def is_outdated(self, stored: str) -> bool:
        """Whether a hash was made with other parameters than those of today."""
        return self._ready().check_needs_rehash(stored)

    async def _in_turn(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._waiting >= _MAX_WAITING:
            raise LimitExceeded("too many sign in at this moment", remedy="try again in a few seconds")
        self._waiting += 1
        try:
            await self._concurrency_limit.acquire()
        finally:
            self._waiting -= 1
        running = asyncio.ensure_future(in_thread(work, *args, **kwargs))
        # A caller who goes away frees no turn: the thread works on.
        running.add_done_callback(lambda _: self._concurrency_limit.release())
        return await asyncio.shield(running)

    def _hash(self, password: str) -> str:
        return self._ready().hash(password)

    def _verify(self, stored: str | None, password: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        if self._nobodys is None:
            self._nobodys = self._ready().hash("nobody's password")
        try:
            self._ready().verify(self._nobodys if stored is None else stored, password)
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None

    def _ready(self) -> PasswordHasher:
        if self._hasher is None:
            from argon2 import PasswordHasher

            self._hasher = PasswordHasher()
        return self._hasher
