"""A new key for stored credentials: all are encrypted anew, running processes go on, the old key opens nothing."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from opsteward.app.key_rotation import rotate_credentials_key
from opsteward.app.settings import load_settings
from opsteward.core.credential_keys import NAME, CredentialKeys
from opsteward.core.crypto import SecretBox
from opsteward.core.errors import Invalid
from support.homes import temporary_home
from support.instance import Tenant, build_instance


@pytest.fixture
async def tenant() -> AsyncIterator[Tenant]:
    """Of an instance of its own: the key is that of all credentials, and other tests spoil theirs."""
    with temporary_home() as home:
        one = build_instance(home)
        yield await one.tenant()
        for client in one.clients:
            await client.aclose()
        await one.services.web.close()
        await one.services.app.close()


async def _registered(tenant: Tenant, name: str) -> str:
    system = {"name": name, "type": "service", "endpoint": "http://127.0.0.1:9/", "criticality": "backup"}
    made = await tenant.http.post("/api/v1/systems", json=system | {"credentials": {"token": f"pl4nted-{name}"}})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def test_credentials_are_encrypted_anew_while_opsteward_runs(tenant: Tenant) -> None:
    first = await _registered(tenant, "one")
    await tenant.http.post("/api/v1/webhooks", json={"kind": "user-signup", "name": "form"})
    home = tenant.instance.home
    services = tenant.instance.services
    seen: list[bytes] = []
    for _ in range(2):
        assert await rotate_credentials_key(load_settings(home=home)) >= 2
        assert stat.S_IMODE((home / NAME).stat().st_mode) == 0o600
        kept = (home / NAME).read_bytes()
        assert kept not in seen and len(kept.split()) == 1
        seen.append(kept)
        second = await _registered(tenant, f"two-{len(seen)}")
        async with services.web.unit_of_work(tenant.id) as session:
            for system_id, name in ((first, "one"), (second, f"two-{len(seen)}")):
                info = await services.inventory.as_registered(session, system_id=UUID(system_id))
                assert info.credentials == {"token": f"pl4nted-{name}"}
    sealed = [row[0] for row in tenant.instance.sql("select credentials_sealed from opsteward.systems"
                                                    " where credentials_sealed is not null")]  # fmt: skip
    assert all(services.box.is_current(bytes(one)) for one in sealed)
    tenant.instance.sql("update opsteward.systems set credentials_sealed = sha512('x') where id = %s", first)
    with pytest.raises(Invalid, match=f"in the tenant {tenant.name}, those of the system one can't be decrypted"):
        await rotate_credentials_key(load_settings(home=home))
    assert (home / NAME).read_bytes().endswith(seen[-1]), "nothing is forgotten"
    (home / NAME).write_bytes(seen[0])
    with pytest.raises(Invalid, match="key that is not here"):
        services.box.decrypt(bytes(sealed[0]), bound_to="x")


def test_old_ones_open_until_they_are_forgotten_and_damage_is_told(tmp_path: Path) -> None:
    keys = CredentialKeys(tmp_path)
    box = SecretBox(b"s" * 32, keys)
    own = box.encrypt({"a": 1}, bound_to="x")
    keys.add_new()
    named = box.encrypt({"a": 2}, bound_to="x")
    assert box.decrypt(own, bound_to="x") == {"a": 1} and not box.is_current(own) and box.is_current(named)
    keys.add_new()
    other = SecretBox(b"s" * 32, CredentialKeys(tmp_path))
    assert other.decrypt(named, bound_to="x") == {"a": 2} and not other.is_current(named)
    with pytest.raises(Invalid):
        other.decrypt(named, bound_to="y")
    keys.keep_current_only()
    with pytest.raises(Invalid, match="not here"):
        other.decrypt(named, bound_to="x")
    (tmp_path / NAME).write_text("damaged")
    with pytest.raises(Invalid, match="damaged"):
        other.encrypt({}, bound_to="x")
