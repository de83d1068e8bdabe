"""Over a thousand naughty strings through SCIM: kept and told exactly, or refused with a SCIM error; and all of what
is no request that makes sense: bodies, paths, filters."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from support.instance import Tenant
from support.naughty import NAUGHTY
from support.scim import ENTERPRISE, GROUP, MESSAGES, ROOT, Provisioner, error_of, user

Body = Callable[[int, str], dict[str, Any]]

ENTERPRISE_TEXTS = ("costCenter", "department", "division", "organization")


def _as_free_text(number: int, text: str) -> dict[str, Any]:
    return user(
        f"u{number}",
        title=text,
        nickName=text,
        displayName=text,
        userType=text,
        name={"familyName": text, "givenName": "G", "middleName": text, "honorificPrefix": text},
        addresses=[{"streetAddress": text, "type": "work"}],
        phoneNumbers=[{"value": text, "display": text}],
        unheardOf=text,
        **{ENTERPRISE: dict.fromkeys(ENTERPRISE_TEXTS, text) | {"manager": {"value": text or "x"}}},
    )


#: How a text is sent, and the share of all texts that has to be kept.
SENT: dict[str, tuple[str, Body, float]] = {
    "names": ("Users", lambda _, text: user(text, externalId=text), 0.7),
    "emails": ("Users", lambda number, text: user(f"u{number}", emails=[{"value": f"{text}@example.com"}]), 0.25),
    "free": ("Users", _as_free_text, 0.7),
    "group": ("Groups", lambda _, text: {"schemas": [GROUP], "displayName": text, "externalId": text}, 0.7),
}


@pytest.fixture
async def idp(tenant: Tenant) -> Provisioner:
    return await Provisioner.of(tenant)


async def _raw(idp: Provisioner, method: str, path: str, body: bytes) -> Any:
    headers = {"Content-Type": "application/scim+json"}
    return await idp.http.request(method, f"{ROOT}{path}", content=body, headers=headers)


def _differing(sent: Any, told: Any, where: str = "") -> list[str]:
    """Where what is told is not what was sent; what was not sent does not matter."""
    if isinstance(sent, dict) and isinstance(told, dict):
        return [at for key in sent if key != "schemas" for at in _differing(sent[key], told.get(key), f"{where}.{key}")]
    if isinstance(sent, list) and isinstance(told, list) and len(sent) == len(told):
        return [at for number, one in enumerate(sent) for at in _differing(one, told[number], f"{where}[{number}]")]
    return [] if sent == told or sent in ("", None) else [f"{where}: {sent!r:.60} came back as {told!r:.60}"]


@pytest.mark.slow(reason="sends every difficult text there is to a real instance")
@pytest.mark.parametrize("kind", SENT)
async def test_kept_exactly_or_refused(idp: Provisioner, kind: str) -> None:
    collection, made_of, share = SENT[kind]
    texts = []
    for text in NAUGHTY if kind in ("names", "free") else NAUGHTY[::2]:
        if not any(one == "\0" or "\ud800" <= one <= "\udfff" for one in text):
            texts.append(text)
            continue
        # no text of ours: the whole request is refused, and this one must have one of its own
        refused = await _raw(idp, "POST", f"/{collection}", json.dumps(made_of(0, text)).encode())
        assert error_of(refused, 400, "invalidValue")["detail"].count("holds") >= 1
    sent = {f"b{number}": made_of(number, text) for number, text in enumerate(texts)}
    kept, wrong = {}, []
    for begin in range(0, len(sent), 400):
        part = list(sent.items())[begin : begin + 400]
        operations = [{"method": "POST", "path": f"/{collection}", "bulkId": name, "data": data} for name, data in part]
        body = {"schemas": [f"{MESSAGES}:BulkRequest"], "Operations": operations}
        answer = await _raw(idp, "POST", "/Bulk", json.dumps(body).encode())
        assert answer.status_code == 200, answer.text[:500]
        results = answer.json()["Operations"]
        assert len(results) == len(part)
        for one in results:
            if one["status"] == "201":
                kept[one["location"].rpartition("/")[2]] = one["bulkId"]
            elif one["status"] not in ("400", "409") or one["response"]["scimType"] not in (
                "invalidValue", "invalidSyntax", "uniqueness"
            ):  # fmt: skip
                wrong.append(f"{sent[one['bulkId']]!r:.100}: {one!r:.300}")
    assert len(kept) >= len(texts) * share
    for start in range(1, len(kept) + 1, 1000):
        page = (await idp.ask("GET", f"/{collection}?startIndex={start}&count=1000")).json()
        for told in page["Resources"]:
            wrong += _differing(sent[kept.pop(told["id"])], told)
    assert wrong == []
    assert kept == {}


@pytest.mark.slow(reason="looks for every difficult text in several ways")
async def test_each_is_found_again_by_every_comparison(idp: Provisioner) -> None:
    texts = [text for text in NAUGHTY[::20] if not any("\ud800" <= one <= "\udfff" for one in text)]
    found = 0
    for text in texts:
        made = await idp.http.post(f"{ROOT}/Users", json=user(text, title=text))
        if made.status_code != 201:
            error_of(made, made.status_code)
        quoted = json.dumps(text, ensure_ascii=False)
        conditions = (f"userName eq {quoted}", f"userName sw {quoted}", f"title co {quoted}", f"emails co {quoted}")
        for condition in conditions:
            answer = await idp.http.get(f"{ROOT}/Users", params={"filter": condition, "count": 1000})
            if answer.status_code != 200:
                error_of(answer, 400)
                continue
            if made.status_code == 201 and "emails" not in condition:
                assert made.json()["id"] in [one["id"] for one in answer.json()["Resources"]], condition
                found += 1
    assert found > 2 * len(texts)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"nul", b"[]", b"1", b'"x"', b"null", b"\xff\xfe{}", b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":1e999}',
        b"[" * 5000, b'{"schemas":' * 3000, b'{"schemas":{}}', b'{"schemas":[1]}', b'{"schemas":"x"}',
        b'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":{}}',
        b'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a\\u0000b"}',
        b'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a","emails":{"value":[]}}',
        b'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a","emails":[[1]]}',
        b'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a","name":"x"}',
        b'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a","active":{"x":1}}',
        b'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a","title":"\\u0000"}',
        b'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a","odd":{"\\u0000":1}}',
        b'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a","odd":"\\ud800"}',
    ],
)  # fmt: skip
async def test_a_body_that_makes_no_sense(idp: Provisioner, body: bytes) -> None:
    made = await idp.user("there")
    group = await idp.group("there")
    ways = [("POST", "/Users"), ("PUT", f"/Users/{made['id']}"), ("PATCH", f"/Users/{made['id']}"), ("POST", "/Groups")]
    ways += [("PATCH", f"/Groups/{group['id']}"), ("POST", "/Bulk"), ("POST", "/.search"), ("POST", "/Users/.search")]
    for method, path in ways:
        answer = await _raw(idp, method, path, body)
        document = error_of(answer, 400)
        assert document["scimType"] in ("invalidSyntax", "invalidValue"), document
    assert (await idp.ask("GET", f"/Users/{made['id']}")).json() == made
    assert (await idp.ask("GET", "/Users?count=0")).json()["totalResults"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "(", "x", "userName", "userName eq", 'userName eq "', "userName eq 'a'",
        'userName is "a"', '"a" eq "a"',
        'userName eq "a" and', 'and userName eq "a"', 'not userName eq "a"', "(" * 9000 + "userName pr" + ")" * 9000,
        "not (" * 3000 + "userName pr" + ")" * 3000, " or ".join(f'title eq "{n}"' for n in range(201)),
        'title eq "' + "a" * 100_000, "emails[", "emails[]", "emails[type]", 'emails[type eq "a"', 'userName[a eq "b"]',
        'emails[emails[type eq "a"]]', 'a.b.c.d eq "x"', "userName gt true", "active gt true", "active eq 1",
        "active gt false", 'meta.created gt "yesterday"', 'meta.created co "2"', "meta.created gt 1",
        "userName eq 1e999",
        'urn:nobody:User:userName eq "a"', 'emails eq {"a":1}', "userName eq [1]",
        "userName\x00 pr", 'userName eq "\ud83d"',
        'password sw "a"', "password pr", "name eq \"x\"", "emails[type eq \"a\"]x", 'emails[type eq "a"].value',
    ],
)  # fmt: skip
async def test_a_filter_that_makes_no_sense(idp: Provisioner, text: str) -> None:
    body = {"schemas": [f"{MESSAGES}:SearchRequest"], "filter": text}
    answer = await _raw(idp, "POST", "/Users/.search", json.dumps(body).encode())
    document = error_of(answer, 400)
    assert document["scimType"] in ("invalidFilter", "invalidPath", "invalidValue"), document


@pytest.mark.parametrize(
    "path",
    [
        "/Users/x", "/Users/%00", "/Users/%ff", "/Users/00000000-0000-0000-0000-000000000000", "/Groups/..%2f..",
        "/Groups/" + "a" * 5000, "/Users/x/y", "/Nothing", "/Schemas/urn:x", "/ResourceTypes/%00", "/Me",
    ],
)  # fmt: skip
async def test_a_path_to_nothing(idp: Provisioner, path: str) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        answer = await _raw(idp, method, path, b"{}" if method in ("PUT", "PATCH") else b"")
        assert answer.status_code in (400, 404, 405, 501), f"{method} {answer.status_code}: {answer.text[:300]}"
        error_of(answer, answer.status_code)
