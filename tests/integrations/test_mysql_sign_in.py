"""Signing in to a real MariaDB: by TLS with a certificate that names it, and by methods that are not known here."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from real_parts import system
from record_servers import Mariadb, mariadb_server

from opsteward.core.errors import AuthFailed, Unreachable
from opsteward.core.http_client import failure_kind
from opsteward.integrations.mysql.connector import MysqlConnector

ACCOUNTS = """
create user plain identified by 'pw-1'; create user tls_only identified by 'pw-1' require ssl;
create user ed identified via ed25519 using password('pw-1'); create user here identified via unix_socket;
create user ancient identified via mysql_old_password using '5d2e19393cc5ef67';
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    folder.chmod(0o755)
    key, made = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "10", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", made],
        check=True, capture_output=True,
    )  # fmt: skip
    key.chmod(0o644)
    return key, made


@pytest.fixture(scope="module")
def server(certificate: tuple[Path, Path]) -> Iterator[Mariadb]:
    key, made = certificate
    with mariadb_server(f"--ssl-key={key}", f"--ssl-cert={made}", "--plugin-load-add=auth_ed25519") as running:
        running.sql(ACCOUNTS)
        yield running


async def signed_in(server: Mariadb, user: str, host: str = "localhost", **settings: Any) -> bool:
    target = system(f"mysql://{host}:{server.port}/", **settings)
    via = MysqlConnector(MysqlConnector.config_for(target, {"username": user, "password": "pw-1"}))
    try:
        return (await via.probe()).reachable
    finally:
        await via.close()


async def test_a_certificate_must_be_trusted_and_name_the_host(server: Mariadb, certificate: tuple[Path, Path]) -> None:
    ca = str(certificate[1])
    assert await signed_in(server, "tls_only", tls=True, ca_file=ca)
    for settings, host, said in (
        ({}, "localhost", "certificate verify failed"),  # none of this machine's authorities has signed it
        ({"ca_file": ca}, "127.0.0.1", "127.0.0.1"),  # signed, but for another
        ({"ca_file": "/nowhere"}, "localhost", "can't be read"),
    ):
        with pytest.raises(Unreachable, match=said) as refused:
            await signed_in(server, "plain", host, tls=True, **settings)
        assert failure_kind(refused.value) == "tls"
    assert await signed_in(server, "plain", "127.0.0.1", tls=True, ca_file=ca, check_certificate_name=False)


@pytest.mark.parametrize(
    ("user", "said"),
    [("ed", "ed25519"), ("here", "Access denied"), ("ancient", "old format"), ("tls_only", "Access denied")],
)
async def test_an_account_that_cannot_sign_in_from_here_is_no_fault_of_the_server(
    server: Mariadb, user: str, said: str
) -> None:
    with pytest.raises(AuthFailed, match=said) as refused:
        await signed_in(server, user)
    assert failure_kind(refused.value) == "auth" and "pw-1" not in refused.value.detail
