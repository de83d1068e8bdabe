"""Files of users as other systems write them: which rows are users, with which status, and what becomes of the rest.

Each file is read by the readers and the checker alone; `user: status` says who comes out of it (`None`: the file says
nothing of the status). The numbers are the rows that are refused, and those that are left out as no user.
"""

from __future__ import annotations

import base64
import csv
import io
import json
from typing import Any

import pytest

from opsteward.core.errors import Invalid
from opsteward.directory.imports.distinguished_names import dn_key
from opsteward.directory.imports.text_encoding import EncodingFinder
from support.checked_files import Checked


def csv_text(dialect: str) -> str:
    text = io.StringIO()
    csv.writer(text, dialect=dialect).writerows(
        [["username", "email", "full_name"], ["a", "a@c.test", 'q "x", y; z'], ["b", "b@c.test", "B"]]
    )
    return text.getvalue()


POWERSHELL = (
    "#TYPE Selected.Microsoft.ActiveDirectory.Management.ADUser\r\n"
    '"DistinguishedName","Enabled","GivenName","Name","ObjectClass","SamAccountName","SID","UserPrincipalName","mail",'
    '"Manager"\r\n'
    '"CN=Muster Kim,OU=P,DC=c,DC=t","True","Kim","Muster Kim","user","km","S-1","km@c.t","km@corp.test",'
    '"CN=Boss Ada,OU=P,DC=c,DC=t"\r\n'
    '"CN=Boss Ada,OU=P,DC=c,DC=t","False","Ada","Boss Ada","user","ba","S-1","ba@c.t","ba@corp.test",\r\n'
)
CSV: dict[str, tuple[str | bytes, dict[str, str | None], int]] = {
    "Entra": (
        "\ufeffuserPrincipalName,displayName,mail,id,userType,department,accountEnabled,state,createdDateTime\r\n"
        "ada@c.test,Ada L,ada@c.test,1-2,Member,R&D,TRUE,,2023-01-01T00:00:00Z\r\n"
        "gone@c.test,Gone G,gone@c.test,1-3,Member,,False,,\r\n",
        {"ada@c.test": "active", "gone@c.test": "inactive"}, 0,
    ),
    "Google Workspace": (
        "First Name [Required],Last Name [Required],Email Address [Required],Password [Required],Status [READ ONLY],"
        "Recovery Email,Employee ID,Manager Email\n"
        "Ada,L,ada@c.test,****,Active,r@x.test,7,\nGone,G,gone@c.test,****,Suspended,,8,\n",
        {"ada@c.test": "active", "gone@c.test": "suspended"}, 0,
    ),
    "GAM": (
        "primaryEmail,name.fullName,name.givenName,suspended,archived,isAdmin\nada@c.test,Ada L,Ada,False,False,False\n"
        "gone@c.test,Gone G,Gone,True,False,False\nold@c.test,Old O,Old,True,True,False\n",
        {"ada@c.test": "active", "gone@c.test": "suspended", "old@c.test": "archived"}, 0,
    ),
    "Okta": (
        "login,firstName,lastName,email,status\nada@c.test,Ada,L,ada@c.test,ACTIVE\n"
        "gone@c.test,Gone,G,gone@c.test,DEPROVISIONED\nsus@c.test,S,S,sus@c.test,SUSPENDED\n"
        "exp@c.test,E,E,exp@c.test,PASSWORD_EXPIRED\nwho@c.test,W,W,who@c.test,SOMETHING\n",
        {"ada@c.test": "active", "gone@c.test": "inactive", "sus@c.test": "suspended", "exp@c.test": "active"}, 1,
    ),
    "BambooHR": (
        '"Employee #","First Name","Last Name","Work Email","Status","Reports To"\n'
        '"1","Ada","L","ada@c.test","Active",""\n"2","Gone","G","gone@c.test","Inactive","ada@c.test"\n',
        {"ada@c.test": "active", "gone@c.test": "inactive"}, 0,
    ),
    "Workday, with a title": (
        "All Workers,,,,,\nRun by: HR,2024-01-01,,,,\n\nEmployee ID,Legal First Name,Legal Last Name,"
        "Primary Work Email,Currently Active,Termination Date\n1,Ada,L,ada@c.test,Yes,\n"
        "2,G,G,gone@c.test,No,2020-05-31\n",
        {"ada@c.test": "active", "gone@c.test": "inactive"}, 0,
    ),
    "a disabled column of our own": (
        "username,email,full_name,disabled\na,a@c.test,A,yes\nb,b@c.test,B,no\nc,c@c.test,C,\nd,d@c.test,D,perhaps\ne,e@c.test,E,-\n",
        {"a": "inactive", "b": "active", "c": None, "e": None}, 1,
    ),
    "status and a flag that takes more": (
        "username,email,full_name,status,Account Enabled\na,a@c.test,A,active,false\nb,b@c.test,B,suspended,true\n",
        {"a": "inactive", "b": "suspended"}, 0,
    ),
    "two columns with words": (
        "username,email,full_name,Status,Employment Status\na,a@c.test,A,Active,Full-Time\n"
        "b,b@c.test,B,Active,Terminated\nc,c@c.test,C,,Contractor\nd,d@c.test,D,Active,On Leave\n",
        {"a": "active", "b": "inactive", "c": "active"}, 1,
    ),
    "over already": (
        "username,email,full_name,expires_at\na,a@c.test,A,2020-01-01T00:00:00Z\nb,b@c.test,B,2999-01-01T00:00:00Z\n",
        {"a": "inactive", "b": None}, 0,
    ),
    "PowerShell, UTF-16": (POWERSHELL.encode("utf-16"), {"km": "active", "ba": "inactive"}, 0),
    "PowerShell, UTF-16 without a mark": (POWERSHELL.encode("utf-16-le"), {"km": "active", "ba": "inactive"}, 0),
    "adfind with tabs, big endian": (
        "sAMAccountName\tmail\tdisplayName\tuserAccountControl\r\nkm\tkm@c.test\tK\t512\r\ngo\tgo@c.test\tG\t66050\r\n"
        .encode("utf-16-be"), {"km": "active", "go": "inactive"}, 0,
    ),
    "commas in a header with semicolons": (
        "Login;E-Mail;Name;Ort (PLZ, Stadt);Kosten (EUR, netto, Monat, je Kopf, x)\r\n"
        'd1;d1@c.test;"Müller; Jürgen";"1, 2";4,50\r\nd2;d2@c.test;Öz;"a ""b"" c";4,50\r\n',
        {"d1": None, "d2": None}, 0,
    ),
    "more commas than semicolons, Windows-1252": (
        "Login;E-Mail;Name;Notiz\nd1;d1@c.test;Jürgen;a,b,c,d,e\nd2;d2@c.test;Ö;,,,,,,\n".encode("cp1252"),
        {"d1": None, "d2": None}, 0,
    ),
    "a line break in the first cell": (
        '"Personal-\nnummer";Login;E-Mail;Name\r\n7;c1;c1@c.test;Ce One\r\n"8";"c2";"c2@c.test";"C\nT"\r\n',
        {"c1": None}, 1,
    ),
    "semicolons within quotes before commas": (
        '"a;b;c;d",username,email,full_name\n1,a,a@c.test,A\n2,b,b@c.test,"B; C"\n', {"a": None, "b": None}, 0,
    ),
    "a quote that does not end": (
        'username,email,full_name\na,a@c.test,"Ada\nb,b@c.test,Bob\nc,c@c.test,"C, D"\n', {"b": None, "c": None}, 1,
    ),
    "bars": ("username|email|full_name|note\na|a@c.test|Ada, Bea; Cy|x,y\n", {"a": None}, 0),
    "a delimiter at the end of the header": (
        "username,email,full_name,\na,a@c.test,Ada,\nb,b@c.test,Bob\n", {"a": None, "b": None}, 0,
    ),
    "single quotes": ("'Login','Mail','Name'\n'a','a@c.test','Lang, Ada'\n", {"a": None}, 0),
    "carriage returns alone": ("username,email,full_name\ra,a@c.test,A\rb,b@c.test,B\r", {"a": None, "b": None}, 0),
    "sep= and quotes": ('"sep=|"\nusername|email|full_name\na|a@c.test|"A|B"\n', {"a": None}, 0),
    "Python's excel": (csv_text("excel"), {"a": None, "b": None}, 0),
    "Python's excel-tab": (csv_text("excel-tab"), {"a": None, "b": None}, 0),
    "Python's unix": (csv_text("unix"), {"a": None, "b": None}, 0),
    "spaces before quotes": ('"username", "email", "full_name"\n"a", "a@c.test", "Ada, L"\n', {"a": None}, 0),
    "comments above": (
        "# exported by hr, 2024\n# second, line\nusername,email,full_name\na,a@c.test,Ada\n", {"a": None}, 0,
    ),
    "a long cell that is no field": (
        f"username,email,full_name,photo\na,a@c.test,A,{'x' * 200_000}\nb,b@c.test,B,y\n", {"a": None, "b": None}, 0,
    ),
    "line breaks in what is no field": (
        'username,email,full_name,address\r\na,a@c.test,A,"Street 1\r\n\r\nTown"\r\nb,b@c.test,B,x\r\n',
        {"a": None, "b": None}, 0,
    ),
    "German and French words": (
        "Benutzername;E-Mail;Prénom;Nachname;Aktiv\na;a@c.test;A;L;WAHR\nb;b@c.test;B;B;nein\nc;c@c.test;C;C;Oui\n",
        {"a": "active", "b": "inactive", "c": "active"}, 0,
    ),
    "a state of accounts, and one of a country": (
        "username,email,full_name,state\na,a@c.test,A,blocked\nb,b@c.test,B,CA\n", {"a": "inactive", "b": None}, 0,
    ),
    "only odd quotes": ('username,email,full_name\na,a@c.test,"A\nb,b@c.test,"B\nc,c@c.test,"C\n', {}, 3),
    "ragged": ("username,email,full_name,x\na,a@c.test\nb,b@c.test,B,1,2\nc,c@c.test,C,1,,\n", {"c": None}, 2),
}  # fmt: skip


@pytest.mark.parametrize("name", CSV)
def test_csv_of_other_systems(name: str) -> None:
    content, users, refused = CSV[name]
    found = Checked(content.encode() if isinstance(content, str) else content, "csv")
    assert (found.statuses, found.failed, found.skipped) == (users, refused, 0), (found.problems, found.notes)


def test_what_a_quote_swallowed_is_told_and_read() -> None:
    lines = ["username,email,full_name", 'bad,bad@c.test,"Ada', *(f"u{n},u{n}@c.test,N {n}" for n in range(3000))]
    found = Checked("\n".join(lines).encode(), "csv")
    assert (len(found.users), found.failed) == (3000, 1)
    (problem,) = found.problems
    assert (problem.row, problem.line) == (1, 2)
    assert "does not end" in problem.reason


ONE: dict[str, Any] = {"username": "b", "email": "b@c.test", "full_name": "Be Öne"}
TWO: dict[str, Any] = {"username": "c", "email": "c@c.test", "full_name": "Ce"}
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_format_takes_every_encoding(encoding: str) -> None:
    forms = {
        "json": json.dumps([ONE], ensure_ascii=False),
        "ndjson": json.dumps(ONE, ensure_ascii=False) + "\n",
        "csv": "username,email,full_name\r\nb,b@c.test,Be Öne\r\n",
        "ldif": "dn: uid=b,dc=c\r\nuid: b\r\nmail: b@c.test\r\ncn: Be Öne\r\n",
    }
    for file_format, text in forms.items():
        found = Checked(text.encode(encoding), file_format, block=50_000)
        assert [user["full_name"] for user in found.users.values()] == ["Be Öne"], (file_format, found.problems)
        assert any("read as" in note for note in found.notes) == (not encoding.startswith("utf-8"))


@pytest.mark.parametrize("content", [
    b"PK\x03\x04 a workbook", b"\x1f\x8b\x08 gzip", b"%PDF-1.7", b"\xd0\xcf\x11\xe0 old workbook",
    "username\nпользователь".encode("cp1251"), b"\xc3\xa4 and \xe4", b"\xe4 and \xc3\xa4",
])  # fmt: skip
def test_what_no_text_can_be_told_of_is_refused(content: bytes) -> None:
    finder = EncodingFinder()
    with pytest.raises(Invalid):
        finder.look(content)
        finder.found()


JSON: dict[str, tuple[str, dict[str, str | None]]] = {
    "lines of an array": (f"[\n{json.dumps(ONE)},\n{json.dumps(TWO)}\n]\n", {"b": None, "c": None}),
    "pretty, one after the other": (
        f"{json.dumps(ONE, indent=2)}\n{json.dumps(TWO, indent=2)}\n", {"b": None, "c": None},
    ),
    "an array a line": (f"{json.dumps([ONE])}\n{json.dumps([TWO])}\n", {"b": None, "c": None}),
    "no line ends": (f"{json.dumps(ONE)}{json.dumps(TWO)}", {"b": None, "c": None}),
    "RFC 7464": (f"\x1e{json.dumps(ONE)}\n\x1e{json.dumps(TWO)}\n", {"b": None, "c": None}),
    "unknown fields": (json.dumps(ONE | {"shoe_size": 43}), {"b": None}),
    "Microsoft Graph": (
        json.dumps({"@odata.context": "x", "value": [{
            "userPrincipalName": "u@c.test", "displayName": "U", "mail": "u@c.test", "accountEnabled": False,
            "manager": {"userPrincipalName": "b@c.test"}, "businessPhones": [],
        }]}), {"u@c.test": "inactive"},
    ),
    "SCIM": (
        json.dumps({"schemas": ["x"], "Resources": [{
            "userName": "s1", "name": {"formatted": "S One", "givenName": "S"}, "active": False,
            "emails": [{"value": "w@c.test"}, {"value": "s1@c.test", "primary": True}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"employeeNumber": "9", "department": "R"},
        }]}), {"s1": "inactive"},
    ),
    "Keycloak": (
        json.dumps([{"id": "x", "username": "k", "firstName": "K", "lastName": "C", "email": "k@c.test",
                     "enabled": False, "attributes": {"x": ["y"]}, "createdTimestamp": 1}]), {"k": "inactive"},
    ),
    "GitLab, numbers": (
        json.dumps([{"id": 1, "username": "g", "name": "G", "state": "blocked", "email": "g@c.test",
                     "employeeId": 7}]), {"g": "inactive"},
    ),
    "Okta": (
        json.dumps([{"id": "0", "status": "STAGED", "profile": {
            "login": "o@c.test", "email": "o@c.test", "firstName": "O", "lastName": "K",
        }}]), {"o@c.test": "inactive"},
    ),
    "Google": (
        json.dumps({"kind": "admin#directory#users", "users": [{
            "primaryEmail": "g@c.test", "name": {"fullName": "G O"}, "suspended": True,
            "emails": [{"address": "g@c.test", "primary": True}],
        }]}), {"g@c.test": "suspended"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", JSON)
def test_json_of_other_systems(name: str) -> None:
    content, users = JSON[name]
    for file_format in ("ndjson", "json"):
        found = Checked(content.encode(), file_format, block=50_000)
        assert (found.statuses, found.failed, found.skipped) == (users, 0, 0), (found.problems, found.notes)


def entry(name: str, *lines: str, classes: str = "user") -> str:
    own = (f"dn: CN={name},OU=P,DC=c", "objectClass: top", f"objectClass: {classes}", f"cn: {name}", f"name: {name}",
           f"displayName: {name} X", f"sAMAccountName: {name.lower()}", f"mail: {name.lower()}@c.test")  # fmt: skip
    return "\r\n".join((*own, *lines)) + "\r\n\r\n"


def disabled(*lines: str) -> str:
    return entry("Gone", *lines)


PHOTO = "\r\n ".join([base64.b64encode(bytes(range(60))).decode()] * 30_000)
LDIF: dict[str, tuple[str, dict[str, str | None], int, int]] = {
    "a photo beyond any record": (entry("Ada", f"thumbnailPhoto:: {PHOTO}"), {"ada": None}, 0, 0),
    "binary, certificates, files": (
        entry("Ada", "objectGUID:: /wECAw==", "userCertificate;binary:: MIIB/w==", "jpegPhoto:< file:///photo.jpg",
              "cn;lang-de: Frau Ada", "description:: /////w==", "description: one", "description: two"),
        {"ada": None}, 0, 0,
    ),
    "only a name with an option": ("dn: uid=a,dc=c\nuid: a\nmail: a@c.test\ncn;lang-de: A\n", {"a": None}, 0, 0),
    "comments and trailers of ldapsearch": (
        "# extended LDIF\n#\n# a comment that is\n  folded\n\nversion: 1\n\n# ada, c\n" + entry("Ada")
        + "# search reference\nref: ldap://other/dc=x\n\n# search result\nsearch: 2\nresult: 0 Success\n\n"
        "# numResponses: 3\n# numEntries: 1\n", {"ada": None}, 0, 1,
    ),
    "a search that broke off": (
        entry("Ada") + "# search result\nsearch: 2\nresult: 4 Size limit exceeded\n", {"ada": None}, 1, 0,
    ),
    "who is no person": (
        "dn: dc=c\nobjectClass: domain\ndc: c\n\n" + entry("PC1", classes="computer") + entry("G", classes="group")
        + "dn: cn=s,dc=c\nobjectClass: groupOfNames\ncn: s\nmember: uid=a\n\n" + entry("Ada"), {"ada": None}, 0, 4,
    ),
    "changes": (
        "dn: uid=a,dc=c\nchangetype: modify\nreplace: mail\nmail: x@c.test\n-\nadd: cn\ncn: y\n-\n\n"
        "dn: uid=b,dc=c\nchangetype: delete\n\n"
        "dn: uid=c,dc=c\ncontrol: 1.2.3 true\nchangetype: add\nuid: c\nmail: c@c.test\ncn: C\n", {"c": None}, 2, 0,
    ),
    "no spaces, odd blank lines, junk": (
        "version:1\ndn:uid=a,dc=c\nuid:a\nmail:a@c.test\ncn:A\n \t\ndn:uid=b,dc=c\nuid:b\nmail:b@c.test\ncn:B\n"
        "junk without colon\n   \n\n\n\ndn: uid=c,dc=c\nuid: c\nmail: c@c.test\ncn: C",
        {"a": None, "b": None, "c": None}, 0, 0,
    ),
    "no blank line between": (
        "dn: uid=a,dc=c\nuid: a\nmail: a@c.test\ncn: A\ndn: uid=b,dc=c\nuid: b\nmail: b@c.test\ncn: B\n",
        {"a": None, "b": None}, 0, 0,
    ),
    "no dn": ("uid: a\nmail: a@c.test\ncn: A\n\nfoo: bar\n", {}, 2, 0),
    "a needed value that is no text": ("dn: uid=a,dc=c\nuid: a\nmail: a@c.test\ncn:: /////w==\n", {}, 1, 0),
    "enabled": (disabled("userAccountControl: 512"), {"gone": "active"}, 0, 0),
    "514": (disabled("userAccountControl: 514"), {"gone": "inactive"}, 0, 0),
    "546": (disabled("userAccountControl: 546"), {"gone": "inactive"}, 0, 0),
    "hexadecimal": (disabled("userAccountControl: 0x10202"), {"gone": "inactive"}, 0, 0),
    "negative": (disabled("userAccountControl: -2147483134"), {"gone": "inactive"}, 0, 0),
    "no number": (disabled("userAccountControl: unknown"), {}, 1, 0),
    "AD LDS": (disabled("msDS-UserAccountDisabled: TRUE"), {"gone": "inactive"}, 0, 0),
    "389 and FreeIPA": (disabled("nsAccountLock: TRUE"), {"gone": "inactive"}, 0, 0),
    "not locked": (disabled("nsAccountLock: FALSE"), {"gone": "active"}, 0, 0),
    "POSIX, closed": (disabled("shadowExpire: 1"), {"gone": "inactive"}, 0, 0),
    "POSIX, never": (disabled("shadowExpire: -1"), {"gone": None}, 0, 0),
    "POSIX, later": (disabled("shadowExpire: 99999"), {"gone": None}, 0, 0),
    "OpenLDAP's policy": (disabled("pwdAccountLockedTime: 000001010000Z"), {"gone": "inactive"}, 0, 0),
    "Samba": (disabled("sambaAcctFlags: [UD         ]"), {"gone": "inactive"}, 0, 0),
    "Sun": (disabled("inetUserStatus: inactive"), {"gone": "inactive"}, 0, 0),
    "qmail": (disabled("accountStatus: disabled"), {"gone": "inactive"}, 0, 0),
    "eDirectory": (disabled("loginDisabled: TRUE"), {"gone": "inactive"}, 0, 0),
    "two that differ": (disabled("accountStatus: active", "nsAccountLock: true"), {"gone": "inactive"}, 0, 0),
    "no shell": (disabled("loginShell: /sbin/nologin"), {"gone": None}, 0, 0),
    "over": (disabled("accountExpires: 132223104000000000"), {"gone": "inactive"}, 0, 0),
    "never over": (disabled("accountExpires: 9223372036854775807"), {"gone": None}, 0, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", LDIF)
def test_ldif_of_directories(name: str) -> None:
    content, users, refused, skipped = LDIF[name]
    found = Checked(content.encode(), "ldif", block=100_000)
    assert (found.statuses, found.failed, found.skipped) == (users, refused, skipped), (found.problems, found.notes)
    assert len(found.notes) == len(set(found.notes)), "each is told once"


@pytest.mark.parametrize(("one", "other"), [
    ("CN=Boss Ada,OU=People,DC=corp,DC=test", "cn=boss ada, ou=people , dc=CORP,dc=test"),
    ("cn=Lang\\, Ada,dc=c", "CN=Lang\\2C Ada,DC=c"),
    ("cn=Lang\\, Ada,dc=c", 'CN="Lang, Ada",DC=c'),
    ("cn=Jürgen,dc=c", "cn=J\\C3\\BCrgen,dc=c"),
    ("uid=a+cn=b,dc=c", "CN=B + UID=A,dc=c"),
    ("cn=a  b,dc=c", "cn=a b,dc=c"),
    ("cn=#04036 16263".replace(" ", "") + ",dc=c", "cn=abc,dc=c"),
    ("2.5.4.3=a,dc=c", "CN=a,dc=c"),
    ("cn=a\\=b,dc=c", "cn=a=b,dc=c"),
])  # fmt: skip
def test_names_of_directories_that_are_the_same(one: str, other: str) -> None:
    assert dn_key(one) == dn_key(other)


@pytest.mark.parametrize(("one", "other"), [
    ("cn=a,ou=x,dc=c", "cn=a,ou=y,dc=c"),
    ("cn=a\\,ou=x,dc=c", "cn=a,ou=x,dc=c"),
    ("cn=a,dc=c", "uid=a,dc=c"),
    ("cn=a\\+uid=b,dc=c", "cn=a+uid=b,dc=c"),
])  # fmt: skip
def test_names_of_directories_that_are_not(one: str, other: str) -> None:
    assert dn_key(one) != dn_key(other)
