"""The audit log's chain is keyed: who owns the database, but not the installation's secret, can't make it anew."""

from __future__ import annotations

from opsteward.core.crypto import SecretBox
from opsteward.telemetry import audit
from opsteward.telemetry.audit import Verdict
from support.instance import Tenant

OURS, FORGED = SecretBox(b"o" * 32).audit_key(), SecretBox(b"f" * 32).audit_key()


async def seal(tenant: Tenant, key: bytes = OURS) -> int:
    async with tenant.instance.services.app.unit_of_work(tenant.id) as session:
        return await audit.seal(session, key=key)


async def verify(tenant: Tenant, key: bytes = OURS) -> Verdict:
    async with tenant.instance.services.app.unit_of_work(tenant.id) as session:
        return await audit.verify(session, key=key)


def by_hand(tenant: Tenant, statement: str) -> None:
    tenant.instance.sql(statement, tenant.id)


async def test_the_key_is_derived_for_this_alone() -> None:
    box = SecretBox(b"o" * 32)
    assert len({OURS, FORGED, bytes.fromhex(box.session_secret()), b"o" * 32}) == 4
    assert box.audit_key() == OURS


async def test_a_chain_made_anew_without_the_key_is_seen(tenant: Tenant) -> None:
    """As the code makes it, by somebody who may write everything: an entry altered, and all sealed again."""
    assert await seal(tenant) == 3
    assert (await verify(tenant)).ok
    by_hand(tenant, "update opsteward.audit_entries set actor = 'operator:nobody' where tenant_id = %s")
    for key in (FORGED, b""):
        by_hand(
            tenant,
            "insert into opsteward.audit_pending (tenant_id, entry_id)"
            " select tenant_id, id from opsteward.audit_entries where tenant_id = %s",
        )
        by_hand(tenant, "delete from opsteward.audit_seals where tenant_id = %s")
        by_hand(tenant, "delete from opsteward.audit_heads where tenant_id = %s")
        assert await seal(tenant, key) == 3
        assert (await verify(tenant, key)).ok
        found = await verify(tenant)
        assert len(found.problems) == 4, found.problems


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
