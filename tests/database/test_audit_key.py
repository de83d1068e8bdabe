"""The audit log's chain is keyed: who owns the database, but not the installation's secret, can't make it anew."""

from __future__ import annotations

from opsteward.core.crypto import SecretBox
from opsteward.telemetry import audit
from opsteward.telemetry.audit import Verdict
from support.instance import Tenant

FORGED = SecretBox(b"f" * 32).audit_key()


async def seal(tenant: Tenant, key: bytes | None = None) -> int:
    async with tenant.instance.services.app.unit_of_work(tenant.id) as session:
        return await audit.seal(session, key=key or tenant.instance.services.box.audit_key())


async def verify(tenant: Tenant) -> Verdict:
    async with tenant.instance.services.app.unit_of_work(tenant.id) as session:
        return await audit.verify(session, key=tenant.instance.services.box.audit_key())


def by_hand(tenant: Tenant, statement: str) -> None:
    tenant.instance.sql(statement, tenant.id)


async def test_the_key_is_derived_for_this_alone() -> None:
    box = SecretBox(b"o" * 32)
    assert len({box.audit_key(), FORGED, bytes.fromhex(box.session_secret()), b"o" * 32}) == 4
    assert SecretBox(b"o" * 32).audit_key() == box.audit_key()


async def test_a_chain_made_anew_without_the_key_is_seen(tenant: Tenant) -> None:
    """As the code makes it, by somebody who may write everything: all sealed again with a key of their own."""
    assert await seal(tenant) == 3
    assert (await verify(tenant)).ok
    sealed = "select hash from opsteward.audit_seals where tenant_id = %s order by seq"
    before = tenant.instance.sql(sealed, tenant.id)
    for number, (_,) in enumerate(before, start=1):
        by_hand(
            tenant, f"update opsteward.audit_seals set hash = '{number:064}' where seq = {number} and tenant_id = %s"
        )
    found = await verify(tenant)
    assert len(found.problems) == 4, found.problems


async def test_a_sealer_with_another_key_takes_nothing(tenant: Tenant) -> None:
    """Its process knows nobody's mark, and what it writes itself is known to nobody."""
    assert await seal(tenant, FORGED) == 3
    assert tenant.count("audit_seals") == 0
    found = await verify(tenant)
    assert len([problem for problem in found.problems if "kept out of the chain" in problem]) == 3


async def test_an_earlier_seal_made_the_end_is_seen(tenant: Tenant) -> None:
    """The last entry cut off, and the one before it put down as the end of the chain; also after further entries."""
    assert await seal(tenant) == 3
    by_hand(
        tenant,
        "delete from opsteward.audit_entries where id ="
        " (select entry_id from opsteward.audit_seals where seq = 3 and tenant_id = %s)",
    )
    by_hand(tenant, "delete from opsteward.audit_seals where seq = 3 and tenant_id = %s")
    by_hand(
        tenant,
        "update opsteward.audit_heads h set seq = 2, hash = s.hash from opsteward.audit_seals s"
        " where s.tenant_id = h.tenant_id and s.seq = 2 and h.tenant_id = %s",
    )
    assert not (await verify(tenant)).ok
    await tenant.operator("viewer")
    assert await seal(tenant) == 2
    assert not (await verify(tenant)).ok
