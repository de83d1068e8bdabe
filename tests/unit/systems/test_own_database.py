"""Nobody signs Opsteward in to its own database: which addresses and roles are that."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from opsteward.systems.own_database import OwnDatabase


class Config(BaseModel):
    host: str
    port: int = 5432
    dbname: str = "shop"
    username: str = "monitor"


class Web(BaseModel):
    url: str


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A folder with a server's socket in it; short, as sockets' paths must be."""
    with tempfile.TemporaryDirectory(prefix="ops-own-", dir="/tmp") as folder, socket.socket(socket.AF_UNIX) as server:
        (Path(folder) / "run").mkdir()
        server.bind(f"{folder}/run/.s.PGSQL.5432")
        yield Path(folder) / "run"


def field_of(own: OwnDatabase, config: BaseModel) -> str | None:
    problem = own.refusal(config)
    return problem.field if problem else None


def embedded(sockets: Path) -> OwnDatabase:
    return OwnDatabase(f"postgresql://postgres@/opsteward?host={sockets}")


@pytest.mark.parametrize(
    ("dbname", "username", "field"),
    [
        ("opsteward", "monitor", "endpoint"),
        ("shop", "postgres", "credentials.username"),
        ("shop", "opsteward_owner", "credentials.username"),
        ("postgres", "opsteward_app", "credentials.username"),
        ("shop", "opsteward_web", "credentials.username"),
        ("shop", "monitor", None),
        ("Opsteward", "Postgres", None),  # other names, for PostgreSQL
    ],
)
def test_on_a_server_that_is_shared(sockets: Path, dbname: str, username: str, field: str | None) -> None:
    assert field_of(embedded(sockets), Config(host=str(sockets), dbname=dbname, username=username)) == field
    assert field_of(embedded(sockets), Config(host="/elsewhere/run", dbname=dbname, username=username)) is None


def test_the_embedded_server_is_opstewards_alone(sockets: Path) -> None:
    own = OwnDatabase(f"postgresql://postgres@/opsteward?host={sockets}", embedded=True)
    assert field_of(own, Config(host=str(sockets), dbname="shop", username="monitor")) == "endpoint"
    assert field_of(own, Config(host="/elsewhere/run", dbname="shop", username="monitor")) is None


def test_however_its_folder_is_named(sockets: Path) -> None:
    home = sockets.parent
    (home / "link").symlink_to(sockets)
    (home / "other").mkdir()
    (home / "other" / ".s.PGSQL.7777").symlink_to(sockets / ".s.PGSQL.5432")
    for host, port in (
        (f"{sockets}/", 5432),
        (f"{home}/other/../run", 5432),
        (f"/proc/self/root{sockets}", 5432),
        (f"{home}/link", 5432),
        (f"{home}/other", 7777),
    ):
        assert field_of(embedded(sockets), Config(host=host, port=port, username="postgres")), host
    assert field_of(embedded(sockets), Config(host=f"{home}/other", username="postgres")) is None


def test_where_the_database_is_on_a_server_of_ones_own() -> None:
    own = OwnDatabase("postgresql://dba:secret@DB.example.test:5433/company")
    assert field_of(own, Config(host="db.example.test.", port=5433, dbname="company")) == "endpoint"
    assert field_of(own, Config(host="db.example.test", port=5433, username="dba")) == "credentials.username"
    assert field_of(own, Config(host="db.example.test", port=5433, username="company_app")) == "credentials.username"
    assert field_of(own, Config(host="db.example.test", port=5433)) is None
    assert field_of(own, Config(host="db.example.test", port=5432, dbname="company")) is None
    assert field_of(own, Config(host="other.example.test", port=5433, dbname="company")) is None


def test_this_machine_has_many_names() -> None:
    own = OwnDatabase("postgresql://dba@localhost/company")
    for host in ("localhost", "LOCALHOST.", "127.0.0.1", "127.1", "127.9.9.9", "::1", "0.0.0.0", "/var/run/postgresql"):
        assert field_of(own, Config(host=host, dbname="company")) == "endpoint", host
    assert field_of(own, Config(host="10.0.0.1", dbname="company")) is None


def test_what_is_no_database_is_not_meant(sockets: Path) -> None:
    assert field_of(embedded(sockets), Web(url=f"http://{sockets}/opsteward")) is None
