"""Nobody reaches Opsteward's own database by a system: each connection is judged by what the server says it is."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from opsteward.contracts.connector import SystemRef
from opsteward.core.embedded_postgres import EmbeddedPostgres
from opsteward.core.errors import AuthFailed, Unavailable
from opsteward.integrations.postgresql.connector import PostgresConnector
from opsteward.systems.own_database import OwnDatabase, OwnServer
from opsteward.systems.service import NewSystem, connected
from support.instance import Instance, Tenant
from support.target import target_server


class Hardened(OwnServer):
    """As where our role may not read the system identifier."""

    async def identifier(self) -> str | None:
        return None


@pytest.fixture(params=["by its identifier", "by a lock"])
def known(request: pytest.FixtureRequest, instance: Instance) -> Callable[..., OwnServer]:
    """Opsteward's own server, known by either means; it is the embedded one, or taken for a shared one."""
    kind = OwnServer if request.param == "by its identifier" else Hardened

    def own(*, embedded: bool = False) -> OwnServer:
        return kind(instance.services.app, OwnDatabase(instance.services.urls.admin, embedded=embedded))

    return own


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ops-link-", dir="/tmp") as path:
        yield Path(path)


@asynccontextmanager
async def forwarded(socket_folder: Path) -> AsyncIterator[int]:
    """A TCP port that leads to a server's socket, as a port forwarding or a pooler does."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(str(socket_folder / ".s.PGSQL.5432"))
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def ref(endpoint: str, own: OwnServer | None, **settings: Any) -> SystemRef:
    return SystemRef(
        id=UUID(int=1), tenant_id=UUID(int=2), name="db", type="database", endpoint=endpoint, settings=settings,
        own_server=own,
    )  # fmt: skip


async def ask(endpoint: str, own: OwnServer | None, *, user: str) -> str:
    async with connected(PostgresConnector, ref(endpoint, own), {"username": user}) as via:
        assert isinstance(via, PostgresConnector)
        return str((await via.rows("select current_database() as name", shape=dict))[0]["name"])


Reach = Callable[[str, OwnServer], Awaitable[str]]


async def test_the_socket_by_whatever_path(instance: Instance, known: Callable[..., OwnServer], folder: Path) -> None:
    """The path was another server's when it was registered; it is a link by now."""
    place = folder / "run"
    place.symlink_to(target_server().sockets)
    endpoint = f"postgresql:///postgres?host={place}"
    assert await ask(endpoint, known(embedded=True), user="postgres") == "postgres"
    place.unlink()
    place.symlink_to(EmbeddedPostgres(instance.home).sockets)
    for user, database in (("postgres", "opsteward"), ("postgres", "postgres"), ("opsteward_app", "template1")):
        with pytest.raises(AuthFailed, match="Opsteward's own"):
            await ask(f"postgresql:///{database}?host={place}", known(embedded=True), user=user)


async def test_a_port_that_leads_there(instance: Instance, known: Callable[..., OwnServer]) -> None:
    async with forwarded(EmbeddedPostgres(instance.home).sockets) as port:
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
            endpoint = f"postgresql://{host}:{port}/opsteward?sslmode=disable"
            with pytest.raises(AuthFailed, match="Opsteward's own database"):
                await ask(endpoint, known(embedded=True), user="postgres")
    async with forwarded(target_server().sockets) as port:
        endpoint = f"postgresql://127.0.0.1:{port}/postgres?sslmode=disable"
        assert await ask(endpoint, known(embedded=True), user="postgres") == "postgres"


async def test_on_a_shared_server_other_databases_are_fine(instance: Instance, known: Callable[..., OwnServer]) -> None:
    sockets = EmbeddedPostgres(instance.home).sockets
    role = f"watcher_{uuid4().hex[:8]}"
    instance.sql(f"create role {role} login")
    assert await ask(f"postgresql:///postgres?host={sockets}", known(), user=role) == "postgres"
    for database, user in (("opsteward", role), ("postgres", "postgres"), ("postgres", "opsteward_owner")):
        with pytest.raises(AuthFailed, match="Opsteward's own"):
            await ask(f"postgresql:///{database}?host={sockets}", known(), user=user)


async def test_on_a_shared_server_no_role_of_ours_is_given(instance: Instance, known: Callable[..., OwnServer]) -> None:
    """Nor one that leads there, and none of ours gets one."""
    sockets = EmbeddedPostgres(instance.home).sockets
    name = uuid4().hex[:8]
    instance.sql(f"create role keeper_{name} login superuser")
    instance.sql(f"create role readers_{name}")
    instance.sql(f"create role through_{name} in role opsteward_app")
    instance.sql(f"create role ada_{name} login")

    async def give(role: str, *people: str) -> None:
        target = ref(f"postgresql:///postgres?host={sockets}", known(), access_role=role)
        async with connected(PostgresConnector, target, {"username": f"keeper_{name}"}) as via:
            assert isinstance(via, PostgresConnector)
            await via.change_members(given=people)

    for role in ("opsteward_owner", "opsteward_web", "postgres", f"through_{name}", f"keeper_{name}"):
        with pytest.raises(AuthFailed, match="Opsteward's own"):
            await give(role, f"ada_{name}")
    with pytest.raises(AuthFailed, match="Opsteward's own"):
        await give(f"readers_{name}", "opsteward_web")
    await give(f"readers_{name}", f"ada_{name}")
    members = "select m.member::regrole::text from pg_auth_members m where m.roleid = %s::regrole"
    assert instance.sql(members, f"readers_{name}") == [(f"ada_{name}",)]
    for role in ("opsteward_owner", "opsteward_web", f"through_{name}"):
        assert (f"ada_{name}",) not in instance.sql(members, role)


async def test_a_server_that_hides_its_identifier(instance: Instance) -> None:
    own = OwnServer(instance.services.app, OwnDatabase(instance.services.urls.admin, embedded=True))
    instance.sql("revoke execute on function pg_control_system() from public")
    try:
        assert await own.identifier() is None
        with pytest.raises(AuthFailed, match="Opsteward's own"):
            await ask(
                f"postgresql:///opsteward?host={EmbeddedPostgres(instance.home).sockets}", own, user="opsteward_web"
            )
        assert await ask(f"postgresql:///postgres?host={target_server().sockets}", own, user="postgres") == "postgres"
    finally:
        instance.sql("grant execute on function pg_control_system() to public")


async def test_while_our_own_database_is_away_nothing_is_reached(instance: Instance) -> None:
    class Away(OwnServer):
        async def identifier(self) -> str | None:
            raise Unavailable

    own = Away(instance.services.app, OwnDatabase(instance.services.urls.admin, embedded=True))
    with pytest.raises(Unavailable):
        await ask(f"postgresql:///postgres?host={target_server().sockets}", own, user="postgres")


async def test_what_is_registered_carries_it(tenant: Tenant, folder: Path) -> None:
    """From the inventory of a running process to its connectors."""
    services = tenant.instance.services
    (folder / "run").symlink_to(target_server().sockets)
    new = NewSystem(
        name="db", type="database", endpoint=f"postgresql:///postgres?host={folder}/run",
        credentials={"username": "postgres"},
    )  # fmt: skip
    async with services.web.unit_of_work(tenant.id) as session:
        system = await services.inventory.register(session, new=new, actor=tenant.owner.actor)
        target, secret = await services.inventory.ref_with_secret(session, system_id=system.id)
    (folder / "run").unlink()
    (folder / "run").symlink_to(EmbeddedPostgres(tenant.instance.home).sockets)
    async with connected(PostgresConnector, replace(target), await secret.followed()) as via:
        with pytest.raises(AuthFailed, match="Opsteward's own"):
            await via.probe()
