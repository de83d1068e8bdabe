"""A directory of 100,000 entries read as records, against Debian's `ldapsearch` of the same entries and attributes into
a file (aim: at most twice its time). Both over one connection in pages of a thousand, in turn.

    python -m bench.sync_ldap [entries]
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from opsteward.contracts.connector import SystemRef
from opsteward.integrations.ldap.connector import LdapConnector
from opsteward.integrations.ldap.entries import OPERATIONAL

_CONF = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
sizelimit unlimited
database mdb
maxsize 4294967296
suffix "dc=example,dc=org"
rootdn "cn=admin,dc=example,dc=org"
rootpw bench
directory {folder}/db
index objectClass eq
"""
_BASE = """dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: Example

"""
_PERSON = """dn: uid=u{n},dc=example,dc=org
objectClass: inetOrgPerson
uid: u{n}
cn: Person {n}
sn: Person
givenName: Jörg {n}
mail: u{n}@example.com
mail: person.{n}@example.com
departmentNumber: {department}
title: Engineer
telephoneNumber: +49 30 {n}
manager: uid=u{manager},dc=example,dc=org

"""
_ATTRIBUTES = ("objectClass", "uid", "cn", "sn", "givenName", "mail", "departmentNumber", "title", "telephoneNumber",
               "manager")  # fmt: skip
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"


@contextmanager
def directory(entries: int) -> Iterator[str]:
    """The address of a slapd with so many people."""
    folder = Path(tempfile.mkdtemp(prefix="ops-bench-", dir="/tmp"))
    process = None
    try:
        (folder / "db").mkdir()
        (folder / "slapd.conf").write_text(_CONF.format(folder=folder))
        with (folder / "all.ldif").open("w", encoding="utf-8") as out:
            out.write(_BASE)
            for n in range(entries):
                out.write(_PERSON.format(n=n, department=n % 20, manager=n // 10))
        slapadd, slapd = shutil.which("slapadd", path=PATH), shutil.which("slapd", path=PATH)
        if slapadd is None or slapd is None:
            sys.exit("slapd is not installed")
        load = [slapadd, "-q", "-f", str(folder / "slapd.conf"), "-l", str(folder / "all.ldif")]
        subprocess.run(load, check=True, capture_output=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        address = f"ldap://127.0.0.1:{port}"
        process = subprocess.Popen([slapd, "-f", str(folder / "slapd.conf"), "-h", address, "-d", "0"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield address
    finally:
        if process is not None:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def by_ldapsearch(address: str) -> float:
    with tempfile.NamedTemporaryFile() as out:
        command = ["ldapsearch", "-x", "-H", address, "-D", "cn=admin,dc=example,dc=org", "-w", "bench", "-LLL",
                   "-o", "ldif-wrap=no", "-E", "pr=1000/noprompt", "-b", "dc=example,dc=org",
                   "(objectClass=person)", *_ATTRIBUTES, *OPERATIONAL]  # fmt: skip
        began = time.monotonic()
        subprocess.run(command, check=True, stdout=out)
        return time.monotonic() - began


async def by_us(address: str) -> tuple[float, float, int]:
    """Seconds, seconds of our own CPU, and records."""
    target = SystemRef(
        id=uuid4(), tenant_id=uuid4(), name="bench", type="directory", endpoint=f"{address}/dc=example,dc=org",
        settings={"page_size": 1000, "resources": {"people": {"attributes": list(_ATTRIBUTES)}}},
    )  # fmt: skip
    login = {"username": "cn=admin,dc=example,dc=org", "password": "bench"}
    via = LdapConnector(LdapConnector.config_for(target, login))
    await via.resources()  # signed in
    began, cpu, records = time.monotonic(), time.process_time(), 0
    async for batch in via.read("people"):
        records += len(batch.upserts)
    took = time.monotonic() - began
    await via.close()
    return took, time.process_time() - cpu, records


def main() -> None:
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with directory(entries) as address:
        for _ in range(3):
            theirs = by_ldapsearch(address)
            ours, cpu, records = asyncio.run(by_us(address))
            print(
                f"{records} entries: ldapsearch {theirs:.2f} s, records {ours:.2f} s ({cpu:.2f} s of it our CPU),"
                f" {ours / theirs:.1f} times; load {os.getloadavg()[0]:.1f}"
            )


if __name__ == "__main__":
    main()
