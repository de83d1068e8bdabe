"""A company whose people are kept in five systems, each in step with the next, both ways: a folder of CSV (HR),
PostgreSQL, OpenLDAP, MariaDB and a SCIM server. What each holds is read past Opsteward, by the system's own tools."""

from __future__ import annotations

import base64
import csv
import json
import subprocess
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from real_parts import Postgres
from record_servers import Mariadb, Slapd, require

from support.syncing import Syncing

BASE = "ou=company,dc=example,dc=org"
ADMIN = {"username": "cn=admin,dc=example,dc=org", "password": "admin-secret"}
COLUMNS = ["id", "login", "first", "last", "mail", "phone", "manager", "enabled"]
FIRST = ["Zoë", "日本", "a+b", "Doe, J", "#hash", "back\\slash", 'say "x"', "semi;colon"]
LAST = ["Ünal", "O'Neil", "<tag>", "語, 川", "x=y", "Ñandú", "dash-", "L'Œuvre"]
PG_TABLE = """
drop table if exists company; drop sequence if exists company_number;
create sequence company_number start 500000;
create table company (id serial primary key, number text unique not null default nextval('company_number')::text,
    login text unique, first text, last text, mail text[], phone text, manager text, photo bytea,
    off bool not null default false);
grant all on company to shop; grant all on all sequences in schema public to shop
"""
SQL_TABLE = """
use shop; drop table if exists company;
create table company (id int primary key auto_increment, login varchar(100) unique, name varchar(200),
    full_name varchar(400), last varchar(200), mail varchar(500), manager varchar(500), photo blob,
    off bool not null default 0)
    collate utf8mb4_bin;
create or replace user ops identified by 'ops-secret'; grant all on shop.* to ops
"""


@dataclass(frozen=True, kw_only=True)
class Person:
    login: str
    first: str
    last: str
    mail: tuple[str, ...]
    phone: str = ""
    manager: str = ""
    photo: bytes = b""
    enabled: bool = True


def person(number: int) -> Person:
    """One with all that is odd in names, several addresses, a photo now and then, a manager."""
    odd = {0: f"Ü, {number}", 1: f"a+b={number}", 2: f'quo"te {number}', 3: f"back\\{number}"}
    login = odd.get(number % 10, f"u{number}")
    return Person(
        login=login,
        first=f"{FIRST[number % 8]} {number}",
        last=LAST[number // 8 % 8],
        mail=tuple(f"m{number}-{n}@ex.org" for n in range(number % 3 + 1)),
        phone=f"+49 30 {number}" if number % 4 else "",
        manager=person(number // 10).login if number >= 10 else "",
    )


def photo(number: int) -> bytes:
    """One that is no text, and holds every byte."""
    return bytes(range(256)) + number.to_bytes(4, "big")


def both(target: str, source: str, **more: Any) -> dict[str, Any]:
    return {"target": target, "source": source, "direction": "both", **more}


def one_way(target: str, source: str | None, *transforms: dict[str, Any]) -> dict[str, Any]:
    return {"target": target, "transforms": list(transforms)} | ({"source": source} if source else {})


TO_DN = {"to_dn": f"uid={{}},{BASE}"}
MAPPINGS: dict[str, dict[str, Any]] = {
    "hr-postgresql": {
        "source_resource": "people", "target_resource": "company", "key": "login",
        "fields": [both("number", "id"), both("login", "login"), both("first", "first"), both("last", "last"),
                   both("mail", "mail", type="list"), both("phone", "phone"), both("manager", "manager")],
    },
    "postgresql-ldap": {
        "source_resource": "company", "target_resource": "people", "key": "uid",
        "fields": [both("uid", "login"), both("givenName", "first"), both("sn", "last"),
                   both("mail", "mail", type="list"), both("telephoneNumber", "phone"), both("jpegPhoto", "photo"),
                   one_way("cn", None, {"template": "{first} {last}"}), one_way("manager", "manager", TO_DN)],
    },
    "ldap-mariadb": {
        "source_resource": "people", "target_resource": "company", "key": "login",
        "fields": [both("login", "uid"), both("name", "givenName"), both("last", "sn"), both("photo", "jpegPhoto"),
                   both("full_name", "cn"), one_way("mail", "mail", {"join": ";"}),
                   one_way("manager", "manager", {"from_dn": True})],
    },
    "mariadb-scim": {
        "source_resource": "company", "target_resource": "users", "key": "userName",
        "fields": [both("userName", "login"), both("displayName", "full_name"),
                   both("name.givenName", "name"), both("name.familyName", "last"),
                   one_way('emails[type eq "work"].value', "mail", {"split": ";"}, {"part": 0})],
    },
}  # fmt: skip


@dataclass
class Company:
    """The five systems, and what ought to be in them."""

    syncing: Syncing
    folder: Path
    postgres: Postgres
    slapd: Slapd
    mariadb: Mariadb
    scim: str
    size: int
    people: dict[str, Person] = field(default_factory=dict)
    mappings: dict[str, UUID] = field(default_factory=dict)
    systems: dict[str, UUID] = field(default_factory=dict)
    #: Of each step and sync: what was written, in how many seconds.
    table: list[tuple[str, str, dict[str, int], float]] = field(default_factory=list)

    async def connect(self) -> None:
        self.sql(PG_TABLE)
        self.mariadb.sql(SQL_TABLE)
        self.modify(f"dn: {BASE}\nchangetype: add\nobjectClass: organizationalUnit\nou: company\n")
        people = {"base": BASE, "parent": BASE, "filter": "(objectClass=inetOrgPerson)",
                  "attributes": ["uid", "cn", "sn", "givenName", "mail", "telephoneNumber", "manager", "jpegPhoto"],
                  "disabled": {"attribute": "employeeType", "value": "disabled"}}  # fmt: skip
        off = {"column": "off", "value": True}
        hr = {"file": "people.csv", "key": "id", "lists": {"mail": ";"}, "active": "enabled"}
        add = self.syncing.system
        login = {"username": "ops", "password": "ops-secret"}
        self.systems = {
            "hr": await add("hr", "file_system", f"file://{self.folder}", resources={"people": hr}),
            "postgresql": await add("pg", "database", self.postgres.endpoint(), {"username": "shop"},
                                    resources={"company": {"table": "company", "key": "id", "disabled": off}}),
            "ldap": await add("ldap", "ldap", self.slapd.endpoint, ADMIN, resources={"people": people}),
            "mariadb": await add("mariadb", "database", self.mariadb.endpoint, login,
                                 resources={"company": {"table": "company", "key": "id", "disabled": off}}),
            "scim": await add("scim", "scim", self.scim, {"token": "t"}),
        }  # fmt: skip
        share = {"max_deletions_percent": 30}
        for name, definition in MAPPINGS.items():
            ends = [self.systems[end] for end in name.split("-")]
            whole = {"create": "both", "missing": "delete", "guard": share, **definition}
            self.mappings[name] = await self.syncing.mapping(ends[0], ends[1], whole, name)

    async def sync(self, step: str, *, rounds: int = 2, full: bool = True) -> None:
        """Every sync in order, until none has anything to do."""
        for _ in range(rounds):
            written = 0
            for name in self.mappings:
                written += await self.sync_one(step, name, full=full)
            if not written:
                return
        raise AssertionError(f"{step}: still something to do after {rounds} rounds: {self.table[-4:]}")

    async def sync_one(self, step: str, name: str, **options: Any) -> int:
        began = time.monotonic()
        done = await self.syncing.run(self.mappings[name], **options)
        problems = [(c.operation, c.key, c.outcome, c.problem)
                    for c in await self.syncing.changes(done) if c.outcome not in ("done", None)]  # fmt: skip
        assert done.status == "succeeded" and not problems, (step, name, done.error, done.notes, problems[:5])
        wrote = {what: number for what, number in done.counts.items()
                 if what.startswith(("create", "update", "delete", "disable"))}  # fmt: skip
        self.table.append((step, name, wrote, time.monotonic() - began))
        return sum(wrote.values())

    # each system past Opsteward

    def write_hr(self) -> None:
        known = {row["login"]: row["id"] for row in self._rows()}
        with (self.folder / "people.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, COLUMNS)
            writer.writeheader()
            for key, one in self.people.items():
                row = {"id": known.get(key) or known.get(one.login) or f"p{key}", "login": one.login,
                       "first": one.first, "last": one.last, "mail": ";".join(one.mail), "phone": one.phone,
                       "manager": one.manager, "enabled": str(one.enabled).lower()}  # fmt: skip
                writer.writerow(row)
        self.people = {one.login: one for one in self.people.values()}

    def _rows(self) -> list[dict[str, str]]:
        path = self.folder / "people.csv"
        if not path.exists():
            return []
        with path.open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))

    def sql(self, text: str, *params: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.postgres.dsn(), autocommit=True) as admin:
            for statement in text.split(";") if not params else [text]:
                done = admin.execute(statement.encode(), params or None)
            return done.fetchall() if done.description else []

    def ldif(self) -> list[dict[str, list[bytes]]]:
        """All people of the directory, by ldapsearch."""
        command = [require("ldapsearch"), *self._login(), "-LLL", "-o", "ldif-wrap=no", "-b", BASE]
        command.append("(objectClass=inetOrgPerson)")
        found: list[dict[str, list[bytes]]] = []
        for block in subprocess.run(command, check=True, capture_output=True).stdout.split(b"\n\n"):
            entry: dict[str, list[bytes]] = {}
            for line in block.splitlines():
                name, _, value = line.partition(b":")
                content = base64.b64decode(value[2:]) if value.startswith(b": ") else value[1:]
                entry.setdefault(name.decode(), []).append(content)
            if entry:
                found.append(entry)
        return found

    def _login(self) -> list[str]:
        address = self.slapd.endpoint.rpartition("/")[0]
        return ["-x", "-H", address, "-D", ADMIN["username"], "-w", ADMIN["password"]]

    def modify(self, ldif: str) -> None:
        """By ldapmodify."""
        command = [require("ldapmodify"), *self._login()]
        subprocess.run(command, check=True, capture_output=True, input=ldif.encode())

    def scim_call(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"{self.scim}/{path}", method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/scim+json"},
        )  # fmt: skip
        with urllib.request.urlopen(request) as reply:
            text = reply.read()
            return json.loads(text) if text else None

    def scim_users(self) -> list[Any]:
        found: list[Any] = []
        while True:
            page = self.scim_call("GET", f"v2/Users?startIndex={len(found) + 1}&count=100")
            found += page.get("Resources", [])
            if len(found) >= page["totalResults"]:
                return found

    def mysql_rows(self) -> list[list[str]]:
        query = ("select hex(login), hex(name), hex(last), hex(coalesce(mail, '')), hex(coalesce(manager, '')),"
                 " hex(coalesce(photo, '')), off from shop.company")  # fmt: skip
        command = [require("mariadb"), "--no-defaults", "-u", "root", f"--socket={self.mariadb.socket}", "-N", "-B",
                   "--default-character-set=utf8mb4", "-e", query]  # fmt: skip
        out = subprocess.run(command, check=True, capture_output=True).stdout.decode()
        return [line.split("\t") for line in out.splitlines()]

    def verify(self) -> None:
        """Each system holds exactly what it ought to."""
        want = self.people.values()

        def full(p: Person) -> tuple[Any, ...]:
            return (p.first, p.last, p.mail, p.phone, p.manager, p.photo, p.enabled)

        readers: dict[str, tuple[Callable[[], Any], Callable[[Person], Any]]] = {
            "hr": (self._hr, lambda p: (p.first, p.last, p.mail, p.phone, p.manager, p.enabled)),
            "postgresql": (self._postgresql, full),
            "ldap": (self._ldap, full),
            "mariadb": (self._mariadb, lambda p: (p.first, p.last, p.mail, p.manager, p.photo, p.enabled)),
            "scim": (self._scim, lambda p: (p.first, p.last, f"{p.first} {p.last}", min(p.mail), p.enabled)),
        }  # fmt: skip
        for name, (read, of) in readers.items():
            found, wanted = read(), {one.login: of(one) for one in want}
            odd = {key: (found.get(key), wanted.get(key)) for key in {*found, *wanted}
                   if found.get(key) != wanted.get(key)}  # fmt: skip
            assert not odd, f"{name}: {len(odd)} differ (found, wanted): {dict(list(odd.items())[:3])}"[:1500]

    def _hr(self) -> dict[str, Any]:
        return {r["login"]: (r["first"], r["last"], tuple(sorted(r["mail"].split(";"))), r["phone"], r["manager"],
                             r["enabled"] == "true") for r in self._rows()}  # fmt: skip

    def _postgresql(self) -> dict[str, Any]:
        rows = self.sql("select login, first, last, mail, phone, manager, photo, off from company")
        return {
            r[0]: (r[1], r[2], tuple(sorted(r[3] or [""])), r[4] or "", r[5] or "", r[6] or b"", not r[7]) for r in rows
        }

    def _ldap(self) -> dict[str, Any]:
        managers = {entry["dn"][0].lower(): entry["uid"][0].decode() for entry in self.ldif()}

        def one(entry: dict[str, list[bytes]]) -> tuple[Any, ...]:
            def text(name: str) -> str:
                return entry.get(name, [b""])[0].decode()

            assert text("cn") == f"{text('givenName')} {text('sn')}"
            manager = managers[entry["manager"][0].lower()] if "manager" in entry else ""
            mail = tuple(sorted(value.decode() for value in entry.get("mail", [b""])))
            photo = entry.get("jpegPhoto", [b""])[0]
            return (text("givenName"), text("sn"), mail, text("telephoneNumber"), manager, photo,
                    text("employeeType") != "disabled")  # fmt: skip

        return {entry["uid"][0].decode(): one(entry) for entry in self.ldif()}

    def _mariadb(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for row in self.mysql_rows():
            login, name, last, mail, manager = (bytes.fromhex(each).decode() for each in row[:5])
            photo = bytes.fromhex(row[5])
            found[login] = (name, last, tuple(sorted(mail.split(";"))), manager, photo, row[6] == "0")
        return found

    def _scim(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for user in self.scim_users():
            name, mails = user.get("name", {}), {one["type"]: one["value"] for one in user.get("emails", [])}
            work = mails.get("work", "")
            found[user["userName"]] = (name.get("givenName"), name.get("familyName"), user.get("displayName"), work,
                                       user.get("active", True))  # fmt: skip
        return found

    def change(self, login: str, **values: Any) -> None:
        self.people[login] = replace(self.people[login], **values)
