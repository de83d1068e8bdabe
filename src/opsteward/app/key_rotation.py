"""A new key for the stored credentials: everything is encrypted anew, then the old keys are forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from opsteward.accounts.tenants import list_tenants
from opsteward.accounts.webhooks import Webhooks
from opsteward.app.settings import Settings
from opsteward.contracts.registry import Registry
from opsteward.core.bus import Bus
from opsteward.core.credential_keys import CredentialKeys
from opsteward.core.crypto import SecretBox
from opsteward.core.database_setup import urls_for
from opsteward.core.db import Database
from opsteward.core.errors import Invalid, Unavailable
from opsteward.core.secret_key import read_secret
from opsteward.events.sources.own_sources import OwnSources
from opsteward.oncall.routes import NotificationRoutes
from opsteward.systems.service import Inventory


async def rotate_credentials_key(settings: Settings) -> int:
    """Make a new key and encrypt all credentials with it; gives how many there were. Running processes take part.

    Can be repeated after an interruption. Raises Unavailable while there is no database, Invalid that names the
    credentials which no key here opens: nothing is forgotten then.
    """
    secret = read_secret(settings.core.given_secret, settings.home)
    if secret is None:
        raise Unavailable("there is no secret key yet", remedy="start Opsteward once")
    keys = CredentialKeys(settings.home)
    box = SecretBox(secret, keys)
    db = Database(urls_for(settings.core, box).app, name="key-rotation")
    inventory = Inventory(Registry(()), box, Bus())
    webhooks, sources, routes = Webhooks(box), OwnSources(box), NotificationRoutes(box)
    try:
        async with db.unit_of_work(None) as session:
            tenants = {tenant.id: tenant.name for tenant in await list_tenants(session)}
        keys.add_new()
        count = 0
        for _ in range(2):  # the second time finds what was stored with the old key meanwhile
            for tenant_id, name in tenants.items():
                async with db.unit_of_work(tenant_id) as session:
                    for room in (inventory, webhooks, sources, routes):
                        with _in_tenant(name):
                            count += await room.encrypt_anew(session)
        keys.keep_current_only()
    finally:
        await db.close()
    return count


@contextmanager
def _in_tenant(name: str) -> Iterator[None]:
    try:
        yield
    except Invalid as error:
        problems = [replace(one, problem=f"in the tenant {name}, {one.problem}") for one in error.problems]
        raise Invalid(problems=problems) from None
