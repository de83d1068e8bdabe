"""Real servers that hold records, started for the tests on free loopback ports: slapd, mariadbd, scim2-server."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from real_parts import free_port

SLAPD_CONF = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile {folder}/pid
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
moduleload auditlog
sizelimit unlimited
database mdb
maxsize 1073741824
suffix "dc=example,dc=org"
rootdn "cn=admin,dc=example,dc=org"
rootpw admin-secret
directory {folder}/db
index objectClass,uid,entryUUID,entryCSN eq
limits dn.exact="uid=reader,dc=example,dc=org" size=5
access to attrs=userPassword by * auth
access to * by dn.exact="uid=reader,dc=example,dc=org" read by * auth
overlay syncprov
overlay auditlog
auditlog {folder}/audit.ldif
"""

LDIF = """dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: ou=former,dc=example,dc=org
objectClass: organizationalUnit
ou: former

dn: uid=reader,dc=example,dc=org
objectClass: account
objectClass: simpleSecurityObject
uid: reader
userPassword: reader-secret
"""


def require(program: str) -> str:
    """The program's path. Skips the test where it is not installed, but in CI, where it must be."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{program} is not installed")
        pytest.skip(f"{program} is not installed")
    return found


def wait_for_port(port: int, process: subprocess.Popen[bytes], *, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, "the server did not start"
        assert time.monotonic() < deadline, "the server did not open its port"
        time.sleep(0.02)


@contextmanager
def running(command: Sequence[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server for the block, killed at its end."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port, process)
        yield process
    finally:
        process.kill()
        process.wait(timeout=10)


@dataclass
class Slapd:
    """A directory on a port of its own; `audit` says which changes it made, in their order."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"ldap://127.0.0.1:{self.port}/dc=example,dc=org"

    def start(self) -> None:
        """It listens when this returns."""
        command = [require("slapd"), "-f", str(self.folder / "slapd.conf"), "-h", f"ldap://127.0.0.1:{self.port}"]
        self.process = subprocess.Popen([*command, "-d", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_port(self.port, self.process)

    def kill(self) -> None:
        """As a power cut does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=10)

    def content(self) -> list[str]:
        """All entries by slapcat, without what the server itself notes of each."""
        command = [require("slapcat"), "-f", str(self.folder / "slapd.conf"), "-o", "ldif-wrap=no"]
        text = subprocess.run(command, check=True, capture_output=True).stdout.decode()
        own = ("entryUUID", "entryCSN", "createTimestamp", "modifyTimestamp", "creatorsName", "modifiersName",
               "contextCSN", "structuralObjectClass")  # fmt: skip
        entries = ([line for line in entry.splitlines() if not line.startswith(own)] for entry in text.split("\n\n"))
        return sorted("\n".join([entry[0], *sorted(entry[1:])]) for entry in entries if entry)

    def audit(self) -> list[str]:
        """`add dn`, `modify dn`, `modrdn dn`, `delete dn` of each change so far."""
        lines = (self.folder / "audit.ldif").read_text().splitlines() if (self.folder / "audit.ldif").exists() else []
        return [f"{kind.partition(' ')[2]} {dn.partition(' ')[2]}" for dn, kind in itertools.pairwise(lines)
                if dn.startswith("dn:") and kind.startswith("changetype:")]  # fmt: skip


@contextmanager
def slapd_server() -> Iterator[Slapd]:
    adder = require("slapadd")
    folder = Path(tempfile.mkdtemp(prefix="owldap"))
    server = Slapd(free_port(), folder)
    try:
        (folder / "db").mkdir()
        (folder / "slapd.conf").write_text(SLAPD_CONF.format(folder=folder))
        (folder / "base.ldif").write_text(LDIF)
        load = [adder, "-f", str(folder / "slapd.conf"), "-l", str(folder / "base.ldif")]
        subprocess.run(load, check=True, capture_output=True)
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Mariadb:
    port: int
    socket: str

    @property
    def endpoint(self) -> str:
        return f"mysql://127.0.0.1:{self.port}/shop"

    def sql(self, text: str) -> None:
        """Statements as the server's own root."""
        program = require("mariadb")
        command = [program, "--no-defaults", "-u", "root", f"--socket={self.socket}", "--default-character-set=utf8mb4"]
        subprocess.run(command, input=text.encode(), check=True, capture_output=True)


@contextmanager
def mariadb_server(*options_of_test: str) -> Iterator[Mariadb]:
    """An empty database `shop`, with further options of the server."""
    program, installer = require("mariadbd"), require("mariadb-install-db")
    folder = Path(tempfile.mkdtemp(prefix="owsql"))
    try:
        data = ["--no-defaults", f"--datadir={folder}/data", f"--user={'root' if os.geteuid() == 0 else ''}"]
        options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
        subprocess.run([installer, *data, *options], check=True, capture_output=True)
        port, path = free_port(), f"{folder}/s.sock"
        small = ["--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0", "--skip-log-bin"]
        command = [program, *data, "--bind-address=127.0.0.1", f"--port={port}", f"--socket={path}", *small]
        with running([*command, *options_of_test], port):
            server = Mariadb(port, path)
            server.sql("create database shop character set utf8mb4")
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def scim_server() -> Iterator[str]:
    """The base address of an empty SCIM server of others."""
    pytest.importorskip("scim2_server")
    port = free_port()
    start = "from scim2_server.testserver.cli import main; main()"
    with running([sys.executable, "-c", start, "--hostname", "127.0.0.1", "--port", str(port)], port):
        yield f"http://127.0.0.1:{port}"
