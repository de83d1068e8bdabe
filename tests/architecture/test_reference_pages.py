"""What the code has, the reference pages tell: nothing left out, nothing stale."""

from __future__ import annotations

import importlib.util
import re
import sys
from functools import cache
from http import HTTPStatus
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from source_tree import ROOT

REFERENCE = ROOT / "docs" / "reference"


@cache
def generator() -> ModuleType:
    """`docs/generate.py`, loaded from its place."""
    spec = importlib.util.spec_from_file_location("reference_generator", ROOT / "docs" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.append(str(ROOT / "docs"))  # as when it is run
    spec.loader.exec_module(module)
    return module


def page(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text(encoding="utf-8")


def all_errors() -> list[Any]:
    generator().errors()  # imports every module that declares one
    from opsteward.core.errors import all_errors

    return [cls for cls in all_errors() if cls.__module__.startswith("opsteward.")]


def test_generated_parts_are_up_to_date() -> None:
    stale = [path.name for path, _ in generator().stale_pages()]
    assert stale == [], "run: make docs"


def test_the_written_modules_of_the_client_are_up_to_date() -> None:
    assert [path.name for path, _ in generator().stale_sources()] == [], "run: make docs"


def test_a_stale_or_missing_module_of_the_client_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = generator().generate_client
    names = [name for name, _ in client.sources()]
    original = (client.CLIENT / "asynchronous.py").read_text(encoding="utf-8")
    (tmp_path / "asynchronous.py").write_text(
        original.replace("def user_history(", "def user_histories("), encoding="utf-8"
    )
    monkeypatch.setattr(client, "CLIENT", tmp_path)
    assert [str(path.relative_to(tmp_path)) for path, _ in generator().stale_sources()] == names
    assert "    def user_histories(" in client.blocking()


def test_every_part_stands_on_a_page_and_every_page_is_whole() -> None:
    written = [
        part for path in REFERENCE.glob("*.md") for part in re.findall(r"begin generated: ([a-z-]+)", path.read_text())
    ]
    assert sorted(written) == sorted(generator().PARTS)


def test_a_stale_part_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator(), "PAGES", tmp_path)
    monkeypatch.setattr(generator(), "stale_sources", lambda: iter(()))
    (tmp_path / "settings.md").write_text("<!-- begin generated: settings -->\nold\n<!-- end generated -->\n")
    (tmp_path / "by_hand.md").write_text("nothing generated here\n")
    assert [path.name for path, _ in generator().stale_pages()] == ["settings.md"]
    assert generator().main([]) == 0
    assert list(generator().stale_pages()) == []


def test_every_error_has_a_code_of_its_own_a_status_and_an_entry() -> None:
    errors = all_errors()
    codes = [cls.code for cls in errors]
    assert sorted(set(codes)) == sorted(codes)
    entries = set(re.findall(r"^## (\S+)$", page("errors"), re.MULTILINE))
    for cls in errors:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", cls.code), cls
        assert HTTPStatus(cls.http_status) and (cls.http_status >= 400 or cls.code == "approval_needed"), cls
        assert cls.title, cls
        assert cls.code in entries or f"`{cls.code}` (500" in page("errors"), cls
    assert entries <= set(codes)


def test_every_error_becomes_a_problem_document() -> None:
    import json

    from opsteward.api.problems import MEDIA_TYPE, problem

    for cls in all_errors():
        answer = problem(status=cls.http_status, code=cls.code, title=cls.title, detail=cls.title)
        assert answer.media_type == MEDIA_TYPE
        body = json.loads(bytes(answer.body))
        assert (body["status"], body["code"]) == (cls.http_status, cls.code)
        assert ("retry-after" in answer.headers) == (cls.http_status in (429, 503))


def test_every_setting_is_told() -> None:
    from opsteward.app.settings import GROUPS, all_variables
    from opsteward.core.settings import CLIENT_VARIABLES, variables

    told = set(re.findall(r"^\| `([A-Z_]+)` \|", page("settings"), re.MULTILINE))
    for_people = CLIENT_VARIABLES - {"OPSTEWARD_MEASURING_DATA"}
    assert told == all_variables() | for_people
    assert all(field.description for group in GROUPS.values() for _, _, field in variables(group))


def test_every_action_and_check_is_told() -> None:
    registry = generator()._registry()
    assert set(re.findall(r"^## (\S+)$", page("actions"), re.MULTILINE)) == set(registry.actions)
    checks = {check.slug for integration in registry.integrations for check in integration.checks}
    assert set(re.findall(r"^\| `(\w+\.\w+)` \|", page("checks"), re.MULTILINE)) == checks


def test_every_role_permission_and_route_is_told() -> None:
    from opsteward.accounts.permissions import ALL, ROLES

    told = page("permissions")
    assert set(re.findall(r"^\| `(\w+\.\w+)` \|", told, re.MULTILINE)) == ALL
    head = next(line for line in told.splitlines() if line.startswith("| permission"))
    assert [cell.strip() for cell in head.strip("|").split("|")][1:] == list(ROLES)
    needed = set(re.findall(r"\| `(\w+\.\w+)` \|", page("api")))
    # asked for inside the routes: others' tokens, and the metrics of the whole installation
    within = {"tokens.write", "metrics.installation"}
    assert needed | within == ALL, "a permission that no route needs, or a route that needs none of ours"


def test_every_command_is_told() -> None:
    import typer

    from opsteward.cli.main import commands

    def leaves(command: Any, name: str) -> list[str]:
        subs = getattr(command, "commands", None)
        return [leaf for one, sub in subs.items() for leaf in leaves(sub, f"{name} {one}")] if subs else [name]

    told = re.findall(r"^## (opsteward .+)$", page("cli"), re.MULTILINE)
    assert told == leaves(typer.main.get_command(commands()), "opsteward")
