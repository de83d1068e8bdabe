"""What was refused to an operator is in the audit log, once a minute for each thing."""

from __future__ import annotations

from opsteward.accounts import tokens
from opsteward.accounts.permission_denials import note_denied, note_refused_sign_in
from opsteward.core.clock import now
from support.instance import Tenant


async def test_refusals_are_noted_without_a_flood(tenant: Tenant) -> None:
    db, session_id = tenant.instance.services.web, await tenant.credential("session")
    identity = await tokens.authenticate(db, secret=session_id.secret)
    started = now().replace(second=0, microsecond=0)
    for _ in range(20):
        await note_denied(db, identity, permission="tokens.write")
        await note_refused_sign_in(db, identity, used_as="link")
    await note_denied(db, identity, permission="audit.read")
    minutes = int((now() - started).total_seconds() // 60) + 1  # 1, but for a test that runs over the minute
    items = (await tenant.http.get("/api/v1/audit", params={"object_id": str(tenant.owner.id)})).json()["items"]
    noted = [(e["verb"], e["actor"], tuple(e["detail"].items())) for e in items if "created" not in e["verb"]]
    assert set(noted) == {
        ("access.denied", identity.actor, (("permission", "tokens.write"),)),
        ("access.denied", identity.actor, (("permission", "audit.read"),)),
        ("sign_in.refused", identity.actor, (("used_as", "link"), ("credential", "session"))),
    }
    assert len(noted) <= 1 + 2 * minutes
    assert session_id.secret not in str(items)
