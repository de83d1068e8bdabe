"""A share is fair: nobody has it all, who waits is served in turn, and what is given up in vain is free again."""

from __future__ import annotations

import asyncio

import pytest

from opsteward.core.fair_share import Busy, FairShare, Party

ADA, BEN, EVE = Party("acme", "ada"), Party("acme", "ben"), Party("globex", "eve")


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def asked(share: FairShare, party: Party, amount: int = 1) -> asyncio.Task[None]:
    return asyncio.create_task(share.acquire(party, amount, patience=30))


async def test_one_operator_and_one_tenant_leave_something_to_others() -> None:
    share = FairShare(16)
    crowd = [asked(share, ADA) for _ in range(40)]
    await settled()
    assert sum(one.done() for one in crowd) == 9
    colleagues = [asked(share, BEN) for _ in range(10)]
    await settled()
    assert sum(one.done() for one in colleagues) == 3, "of twelve for the tenant"
    others = [asked(share, EVE) for _ in range(4)]
    await settled()
    assert all(one.done() for one in others)
    for one in crowd + colleagues + others:
        one.cancel()


async def test_who_waits_is_served_tenant_by_tenant_and_operator_by_operator() -> None:
    share, order = FairShare(1), list[str]()

    async def work(party: Party) -> None:
        async with share.of(party, patience=30):
            order.append(party.operator)
            await asyncio.sleep(0)

    await asyncio.gather(*(work(party) for party in [ADA] * 4 + [BEN] * 2 + [EVE] * 2))
    assert order == ["ada", "ada", "eve", "ben", "eve", "ada", "ben", "ada"]


async def test_a_large_request_is_not_passed_by_small_ones_for_ever() -> None:
    share = FairShare(10)
    for _ in range(3):
        await share.acquire(EVE, 2, patience=1)
    large = asked(share, ADA, 7)
    await settled()
    small = asked(share, BEN, 2)
    await settled()
    assert not large.done() and not small.done()
    share.release(EVE, 2)
    share.release(EVE, 2)
    await settled()
    assert large.done()
    small.cancel()  # or it would end with Busy, unheard, long after this test


async def test_what_is_larger_than_all_goes_alone() -> None:
    share = FairShare(10)
    await share.acquire(ADA, 50, patience=1)
    with pytest.raises(Busy):
        await share.acquire(EVE, 1, patience=0.01)
    share.release(ADA, 50)
    await share.acquire(EVE, 1, patience=1)


async def test_too_many_that_wait_are_told_at_once_and_others_still_wait() -> None:
    share = FairShare(1, waiting_limit=2)
    await share.acquire(ADA, patience=1)
    waiting = [asked(share, ADA) for _ in range(2)]
    await settled()
    with pytest.raises(Busy):
        await share.acquire(ADA, patience=30)
    other = asked(share, EVE)
    await settled()
    share.release(ADA)
    await settled()
    assert sum(one.done() for one in [*waiting, other]) == 1
    for one in [*waiting, other]:
        one.cancel()


async def test_who_goes_away_leaves_nothing_behind() -> None:
    share = FairShare(1)
    await share.acquire(ADA, patience=1)
    gone, next_one = asked(share, EVE), asked(share, BEN)
    await settled()
    share.release(ADA)  # it is EVE's in this moment
    gone.cancel()
    await settled()
    await next_one
    share.release(BEN)
    assert share.waiting == 0
    await share.acquire(ADA, patience=0.1)
