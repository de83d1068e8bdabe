"""Guessing takes time: failures of signing in are counted in the database, for all processes together.

Each try is charged as a failure before it is looked at, and given back when it succeeds; so many tries at once are no
more guesses than the same one after the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

import sqlalchemy as sa

from opsteward.core.db import Database
from opsteward.core.errors import LimitExceeded

FREE_TRIES_OF_A_NAME = 5
FREE_TRIES_OF_AN_ADDRESS = 20  # many people may come from one
FIRST_WAIT, MAX_WAIT = 5, 900  # seconds; each failure doubles the wait
_IPV6_NETWORK = 64  # bits: what one subscriber is given

_FORGET = sa.text("""
delete from opsteward.sign_in_attempts where key in (
    select key from opsteward.sign_in_attempts where last_at < now() - interval '1 day'
    order by last_at limit 100 for update skip locked)
""")
_CHARGE = sa.text("""
insert into opsteward.sign_in_attempts as a (key, free_tries, failures, last_at)
select key, free_tries, 1, clock_timestamp()
from unnest(cast(:keys as bytea[]), cast(:free as int[])) as tried (key, free_tries) order by key
on conflict (key) do update set
    failures = least(a.failures + 1, 1000000), last_at = clock_timestamp(),
    blocked_until = case when a.failures + 1 >= excluded.free_tries then clock_timestamp() + make_interval(secs =>
        least(:longest, :first * power(2, least(a.failures + 1 - excluded.free_tries, 20)))) end
where a.blocked_until is null or a.blocked_until <= clock_timestamp()
returning a.key
""")
_WAIT = sa.text("""
select ceil(extract(epoch from max(blocked_until) - clock_timestamp()))::int from opsteward.sign_in_attempts
where key = any(cast(:keys as bytea[]))
""")
_GIVE_BACK = sa.text("""
update opsteward.sign_in_attempts set failures = greatest(failures - 1, 0),
    blocked_until = case when failures > free_tries then blocked_until end
where key = :address
""")


@dataclass(frozen=True)
class Charge:
    """What a try was charged to; nothing but hashes."""

    name: bytes | None
    address: bytes

    @property
    def keys(self) -> Sequence[bytes]:
        return [key for key in (self.name, self.address) if key is not None]


async def charge(db: Database, *, tenant: str, name: str | None, address: str) -> Charge:
    """Count one try for a tenant's operator (None: not known yet) and for a client's address.

    Raises LimitExceeded with `retry_after` in seconds while either has to wait; nothing is counted then.
    """
    charged = Charge(
        name=None if name is None else _key("name", tenant, name.casefold()), address=_key("address", _network(address))
    )
    free = [FREE_TRIES_OF_AN_ADDRESS] if name is None else [FREE_TRIES_OF_A_NAME, FREE_TRIES_OF_AN_ADDRESS]
    waits = {"first": FIRST_WAIT, "longest": MAX_WAIT}
    async with db.unit_of_work(None) as session:
        await session.execute(_FORGET)
        taken = (await session.scalars(_CHARGE, {**waits, "keys": charged.keys, "free": free})).all()
        if len(taken) < len(charged.keys):
            wait = max(1, await session.scalar(_WAIT, {"keys": charged.keys}) or 1)
            raise LimitExceeded(
                "too many tries to sign in have failed",
                remedy=f"wait {wait} seconds; a sign-in link or a token still works",
                extra={"retry_after": wait},
            )
    return charged


async def give_back(db: Database, charged: Charge) -> None:
    """The try was a success: the name starts anew, the address is as before it."""
    async with db.unit_of_work(None) as session:
        if charged.name is not None:
            await session.execute(
                sa.text("delete from opsteward.sign_in_attempts where key = :name"), {"name": charged.name}
            )
        await session.execute(_GIVE_BACK, {"address": charged.address})


def _key(*parts: str) -> bytes:
    return hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).digest()


def _network(address: str) -> str:
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if ip.version == 6 and ip.ipv4_mapped is None:
        return str(int(ip) >> (128 - _IPV6_NETWORK))
    return str(getattr(ip, "ipv4_mapped", None) or ip)
