"""Files of users by Python and by the command line, on a running instance with its worker."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from opsteward import AsyncOpsteward, CallFailed, Opsteward
from support.live import Live, LiveOperator

#: More than what is done within the request, and than what one answer tells of.
MANY = 1500


@pytest.fixture
def owner(live: Live) -> LiveOperator:
    return live.tenant(f"files-{uuid4().hex[:10]}").owner


def people(count: int, *, bad: int = 0) -> list[dict[str, Any]]:
    rows = [{"username": f"u{n}", "email": f"u{n}@example.com", "full_name": f"N {n}"} for n in range(count)]
    return [*rows, *({"username": f"b{n}", "email": "nobody", "full_name": "B"} for n in range(bad))]


def test_python_imports_and_tells_all_of_it(owner: LiveOperator, tmp_path: Path) -> None:
    with Opsteward(owner.url, owner.token) as ops:
        few = ops.bulk_user_import(people(2, bad=1))
        assert (few["successful_imports"], few["failed_imports"], len(few["user_ids"])) == (2, 1, 2)
        assert [(one["row"], one["field"]) for one in few["errors"]] == [(3, "email")]
        many = ops.bulk_user_import(people(MANY, bad=MANY), mode="upsert")
        assert (many["successful_imports"], many["failed_imports"]) == (MANY, MANY)
        assert len(set(many["user_ids"])) == MANY
        assert [one["row"] for one in many["errors"]] == list(range(MANY + 1, 2 * MANY + 1))
        assert set(many["errors"][0]) == {"row", "line", "field", "reason", "value"}
        written = ops.export_users(tmp_path / "all.ldif")
        again = ops.bulk_user_import(written, mode="upsert")
        assert (again["unchanged"], again["failed_imports"]) == (MANY, 0)
        with pytest.raises(CallFailed) as refused:
            ops.bulk_user_import([], mode="upsert")
        assert refused.value.problem["errors"][0]["field"] == "body"
        with pytest.raises(ValueError, match="format"):
            ops.export_users(tmp_path / "all")


async def test_the_async_form_does_the_same(owner: LiveOperator, tmp_path: Path) -> None:
    async with AsyncOpsteward(owner.url, owner.token) as ops:
        report = await ops.bulk_user_import(people(MANY, bad=2))
        assert (report["successful_imports"], len(report["user_ids"]), len(report["errors"])) == (MANY, MANY, 2)
        written = await ops.export_users(tmp_path / "all.csv")
        assert len(list(csv.reader(written.open(newline="")))) == MANY + 1
        assert (await ops.get_import(report["job_id"]))["progress"] == 100


def test_the_command_line_imports_and_exports(owner: LiveOperator, tmp_path: Path) -> None:
    file = tmp_path / "joiners.tsv"
    rows = [["Login", "E-Mail", "Name", "Site"], *([f"u{n}", f"u{n}@example.com", f"N {n}", "x"] for n in range(MANY))]
    with file.open("w", newline="") as opened:
        csv.writer(opened, delimiter="\t").writerows(rows)
    command = ("users", "import", str(file), "--map", "Site=profile_data.site")
    dry = owner.cli(*command, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert f"{MANY} rows: {MANY} would be created" in dry.stdout
    assert "imported" in dry.stderr or "rows" in dry.stderr
    done = owner.cli(*command, "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["successful_imports"], len(report["user_ids"])) == (0, MANY, MANY)
    again = json.loads(owner.cli(*command, "--json").stdout)
    assert again["job_id"] == report["job_id"], "the same file again is the same import"

    out = tmp_path / "users.ndjson"
    assert owner.cli("users", "export", str(out)).returncode == 0
    exported = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(exported) == MANY
    assert exported[0]["profile_data"] == {"site": "x"}
    listed = json.loads(owner.cli("users", "imports", "--json").stdout)["items"]
    assert [one["dry_run"] for one in listed] == [False, True]


def test_the_command_line_says_what_was_wrong(owner: LiveOperator, tmp_path: Path) -> None:
    file = tmp_path / "joiners.csv"
    file.write_text("username,email,full_name\nada,ada@example.com,Ada\neve,nobody,Eve\n")
    done = owner.cli("users", "import", str(file))
    assert done.returncode == 1
    assert "2 rows: 1 created" in done.stdout
    assert "error: row 2, email is no e-mail address: name@domain 'nobody'" in done.stdout
    assert owner.cli("users", "import", str(tmp_path / "joiners.csv"), "--map", "nonsense").returncode == 2
    unknown = owner.cli("users", "import", str(file), "--mode", "everything")
    assert (unknown.returncode, "mode" in unknown.stderr) == (1, True)
