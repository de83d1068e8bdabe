"""Folders of files as lists of records: every kind both ways, and what an empty, cut or moving file may never say."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from real_parts import system

from opsteward.contracts.records import Batch, Change, Coverage, Operation, Outcome, Record
from opsteward.core.errors import AuthFailed, BadReply, Invalid, NotFound
from opsteward.integrations.files import build
from opsteward.integrations.files.connector import FilesConnector


def folder(path: Path, **settings: Any) -> FilesConnector:
    connector = build([path]).connector
    assert connector is not None
    made = connector(connector.config_for(system(path.as_uri(), **settings), {}))
    assert isinstance(made, FilesConnector)
    return made


async def read(via: FilesConnector, resource: str, since: Any = None) -> tuple[list[Record], Batch]:
    records: list[Record] = []
    last = Batch()
    async for last in via.read(resource, since):
        records += last.upserts
    return records, last


def create(key: str, **values: Any) -> Change:
    return Change(key=key, operation=Operation.CREATE, values=values)


CSV = 'id;name;groups\n1;Zoë;a|b\n2;"Smith; Ann";\n'


async def test_csv_is_read_whole_with_its_own_delimiter_and_lists(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_bytes(("\ufeff" + CSV).encode())
    via = folder(tmp_path, resources={"people": {"file": "people.csv", "lists": {"groups": "|"}}})
    records, last = await read(via, "people")
    assert [dict(r.values) for r in records] == [
        {"id": "1", "name": "Zoë", "groups": ["a", "b"]},
        {"id": "2", "name": "Smith; Ann", "groups": []},
    ]
    assert last.coverage is Coverage.FULL
    again, unchanged = await read(via, "people", last.cursor)
    assert again == [] and unchanged.coverage is Coverage.CHANGES


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("id;Ort (PLZ, Stadt);Kosten (netto, Monat, je Kopf, x)", "1;x;4,50"),
        ('"id";"Personal-\nnummer"', "1;7"),
        ("id|a,b,c|d", "1|2|3"),
        ("id", "1"),
    ],
)
async def test_the_delimiter_is_the_one_that_fits_the_rows(tmp_path: Path, header: str, row: str) -> None:
    (tmp_path / "a.csv").write_text(f"{header}\n{row}\n")
    records, last = await read(folder(tmp_path), "a")
    assert [r.native_id for r in records] == ["1"] and last.coverage is Coverage.FULL


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b""),
        ("a.csv", b"id,name\n1,Ann\n2,Bo"),  # where it ends nobody knows
        ("a.csv", b"id,name\n1,Ann\n2\n"),
        ("a.csv", b'id,name\n1,"An'),
        ("a.json", b'[{"id": "1"}, {"id"'),
        ("a.ndjson", b'{"id": "1"}\n{"id": '),
        ("a.ldif", b"dn: cn=a\ncn: a\n\ndn: cn=b\ncn: b"),
        ("a.csv", b"id,name\n1,Ann\n,Bo\n"),
        ("a.csv", b"id,name\n1,Ann\n1,Bo\n"),
    ],
)
async def test_a_list_that_may_not_be_whole_says_so(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    records, last = await read(folder(tmp_path), "a")
    assert last.coverage is Coverage.PARTIAL and last.note and last.cursor is None
    assert len(records) <= 2


async def test_a_thousand_bad_records_in_a_row_do_not_end_the_reading(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,n\n" + ",x\n" * 1500 + "7,x\n")
    records, last = await read(folder(tmp_path), "a")
    assert [r.native_id for r in records] == ["7"] and last.coverage is Coverage.PARTIAL


@pytest.mark.parametrize("kind", ["csv", "json", "ndjson", "ldif", "tsv"])
async def test_changes_go_into_every_kind_of_file_and_come_back(tmp_path: Path, kind: str) -> None:
    key = "dn" if kind == "ldif" else "id"
    settings = {"resources": {"people": {"file": f"people.{kind}", "key": key, "columns": [key, "name"]}}}
    via = folder(tmp_path, **settings)
    if kind in {"json", "ndjson", "ldif"}:
        (tmp_path / f"people.{kind}").write_text("[]" if kind == "json" else "")
    odd = ' Ärger, "Ö"\n;|\t'
    changes = [create("a", **{key: "cn=1", "name": odd}), create("b", **{key: "cn=2", "name": "B"})]
    assert [r.outcome for r in await via.write("people", changes)] == [Outcome.DONE, Outcome.DONE]
    assert [r.outcome for r in await via.write("people", changes)] == [Outcome.UNCHANGED, Outcome.UNCHANGED]
    more = [
        Change(key="c", operation=Operation.UPDATE, native_id="cn=1", values={key: "cn=9"}),
        Change(key="d", operation=Operation.DELETE, native_id="cn=2"),
        Change(key="e", operation=Operation.UPDATE, native_id="cn=5", values={"name": "?"}),
        create("f", **{key: "cn=9", "name": "else"}),
    ]
    outcomes = [r.outcome for r in await via.write("people", more)]
    assert outcomes == [Outcome.DONE, Outcome.DONE, Outcome.MISSING, Outcome.EXISTS]
    records, last = await read(via, "people")
    assert last.coverage is Coverage.FULL
    assert [(r.native_id, r.values["name"]) for r in records] == [("cn=9", [odd] if kind == "ldif" else odd)]
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == [f"people.{kind}"]


async def test_ldif_keeps_binary_values_continuations_and_comments(tmp_path: Path) -> None:
    text = "version: 1\n# who\ndn: cn=Doe\\, Jo,\n  dc=x\nphoto:: /9j/AA==\nmail: a@x\nmail: b@x\n\n"
    (tmp_path / "a.ldif").write_text(text)
    records, last = await read(folder(tmp_path), "a")
    assert last.coverage is Coverage.FULL
    assert records[0].native_id == "cn=Doe\\, Jo, dc=x"
    assert records[0].values["photo"] == [{"base64": "/9j/AA=="}] and records[0].values["mail"] == ["a@x", "b@x"]


async def test_parquet_is_read(tmp_path: Path) -> None:
    arrow = import_module("pyarrow")
    parquet = import_module("pyarrow.parquet")
    parquet.write_table(arrow.table({"id": [1, 2], "photo": [b"\xff", None]}), tmp_path / "a.parquet")
    records, last = await read(folder(tmp_path), "a")
    assert last.coverage is Coverage.FULL
    assert [dict(r.values) for r in records] == [{"id": 1, "photo": {"base64": "/w=="}}, {"id": 2, "photo": None}]
    (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-10])
    assert (await read(folder(tmp_path), "b"))[1].coverage is Coverage.PARTIAL


async def test_no_path_leads_out_of_the_allowed_folders(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    (tmp_path / "secret.csv").write_text("id\n1\n")
    (inside / "link.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(AuthFailed):
        await read(folder(inside), "link")
    connector = build([inside]).connector
    assert connector is not None
    for endpoint in (tmp_path.as_uri(), f"{inside.as_uri()}/../", f"{inside.as_uri()}/%2e%2e", "file://host/x"):
        with pytest.raises(Invalid):
            connector.config_for(system(endpoint), {})
    for file in ("../secret.csv", "/etc/passwd.csv", "x.exe"):
        with pytest.raises(Invalid):
            connector.config_for(system(inside.as_uri(), resources={"a": {"file": file}}), {})


async def test_what_a_file_cannot_hold_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,name\n1,Ann\n")
    via = folder(tmp_path)
    results = await via.write("a", [create("x", id="2", phone="1"), create("y", id="3", name=["a"])])
    assert [r.outcome for r in results] == [Outcome.REFUSED, Outcome.REFUSED]
    assert (tmp_path / "a.csv").read_text() == "id,name\n1,Ann\n"
    (tmp_path / "a.csv").write_text("id,name\n1,Ann\n2")
    with pytest.raises(BadReply):
        await via.write("a", [create("z", id="3", name="C")])
    with pytest.raises(NotFound):
        await via.write("none", [create("z", id="3")])


async def test_a_remote_store_is_read_and_written(monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec = import_module("fsspec")
    monkeypatch.setattr("opsteward.integrations.files.config.REMOTE", frozenset({"memory"}))
    connector = build().connector
    assert connector is not None
    via = connector(connector.config_for(system("memory://people", key="id"), {}))
    assert isinstance(via, FilesConnector)
    fsspec.filesystem("memory").pipe("/people/a.ndjson", b'{"id": "1"}\n')
    await via.write("a", [create("k", id="2")])
    records, last = await read(via, "a")
    assert [r.native_id for r in records] == ["1", "2"] and last.coverage is Coverage.FULL
