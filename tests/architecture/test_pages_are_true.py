"""The hand-written pages: links lead somewhere, and examples are what the code takes."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from source_tree import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
INTEGRATION_PAGES = sorted((ROOT / "src" / "opsteward" / "integrations").rglob("README.md"))


def blocks(language: str) -> list[Any]:
    """Every fenced block of a language, named by page."""
    found = []
    for path in PAGES:
        for number, text in enumerate(re.findall(rf"```{language}\n(.*?)```", path.read_text(), re.DOTALL)):
            found.append(pytest.param(text, id=f"{path.relative_to(ROOT)}:{number}"))
    return found


def anchor(heading: str) -> str:
    """A heading's anchor, as the usual renderers make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@functools.cache
def command_line() -> Any:
    """The command `opsteward` with all below it, put together once."""
    import typer

    from opsteward.cli.main import commands

    return typer.main.get_command(commands())


@functools.cache
def on_screen() -> str:
    """All that the console and the commands can show, in lower case."""
    source = ROOT / "src" / "opsteward"
    rooms = ("console", "cli", "loadtest")
    files = (path for room in rooms for ending in ("py", "html") for path in (source / room).rglob(f"*.{ending}"))
    return "\n".join(path.read_text(encoding="utf-8").lower() for path in sorted(files))


@pytest.mark.parametrize("path", [*PAGES, *INTEGRATION_PAGES], ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        file, _, section = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), link
        if section:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert section in {anchor(heading) for heading in headings} | set(headings), link


def test_every_page_is_linked_from_another() -> None:
    linked = {
        (path.parent / link.partition("#")[0]).resolve()
        for path in PAGES
        for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8"))
        if "://" not in link
    }
    assert set(PAGES) - linked == {ROOT / "README.md"}


CALLS = [block for block in blocks("yaml") if re.search(r"^\s+(sql|get):", str(block.values[0]), re.MULTILINE)]

RUNBOOKS = [block for block in blocks("yaml") if re.search(r"^steps:", str(block.values[0]), re.MULTILINE)]


@pytest.mark.parametrize("text", [block for block in blocks("yaml") if block not in [*CALLS, *RUNBOOKS]])
def test_standing_orders_in_the_pages_are_sound(text: str) -> None:
    from opsteward.app.registry import build_registry, known_actions
    from opsteward.events.standing_orders.document import parse
    from opsteward.integrations.apprise.settings import NotifySettings

    assert parse(text, known_actions=known_actions(build_registry(NotifySettings())))


@pytest.mark.parametrize("text", CALLS)
def test_direct_calls_in_the_pages_are_sound(text: str, tmp_path: Path) -> None:
    from opsteward.crew.direct_calls.call_file import load_calls

    (tmp_path / "calls.yaml").write_text(text, encoding="utf-8")
    calls, problems = load_calls(tmp_path)
    assert calls
    assert problems == []


@pytest.mark.parametrize("text", RUNBOOKS)
def test_runbooks_in_the_pages_are_sound(text: str) -> None:
    from opsteward.actions.service import check_params
    from opsteward.app.registry import build_registry
    from opsteward.integrations.apprise.settings import NotifySettings
    from opsteward.troubleshooting.runbook_file import read_runbook

    registry = build_registry(NotifySettings())
    for step in read_runbook(text).steps:
        if step.action is not None:
            check_params(registry.action(step.action).action.params_model, step.params)


SYSTEMS = [block for block in blocks("json") if '"endpoint"' in str(block.values[0])]
COMMAND = re.compile(r"^ {4}(?:[A-Z_]+=\S+ )*opsteward (.+)$", re.MULTILINE)


def test_the_pages_hold_what_is_checked_in_them() -> None:
    assert len(SYSTEMS) >= 2
    assert len(blocks("yaml")) >= 2
    assert sum(len(COMMAND.findall(path.read_text(encoding="utf-8"))) for path in PAGES) > 50


@pytest.mark.parametrize("text", SYSTEMS)
def test_systems_in_the_pages_are_taken(text: str) -> None:
    from opsteward.api.rest.systems import SystemIn
    from opsteward.app.registry import build_registry
    from opsteward.contracts.connector import SystemRef
    from opsteward.integrations.apprise.settings import NotifySettings

    value = json.loads(text)
    system = SystemIn.model_validate(value)
    target = SystemRef(
        id=UUID(int=1),
        tenant_id=UUID(int=2),
        name=system.name,
        type=system.type,
        endpoint=system.endpoint,
        health_check_url=system.health_check_url,
        settings=system.settings,
    )
    registry = build_registry(NotifySettings(), file_folders=[Path("/srv")])
    for connector in registry.connectors_for(system.endpoint):
        connector.config_for(target, system.credentials)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_the_pages_exist(path: Path) -> None:
    for line in COMMAND.findall(path.read_text(encoding="utf-8")):
        command = command_line()
        for word in line.split():
            if not hasattr(command, "commands"):
                break
            assert word in command.commands, line
            command = command.commands[word]
        options = {option for param in command.params for option in param.opts}
        for word in line.partition(" # ")[0].split():
            assert not word.startswith("--") or word in options, line


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_variables_in_the_pages_are_settings(path: Path) -> None:
    from opsteward.app.settings import all_variables
    from opsteward.core.settings import CLIENT_VARIABLES

    known = all_variables() | CLIENT_VARIABLES
    assert set(re.findall(r"OPSTEWARD_[A-Z_]*[A-Z]", path.read_text(encoding="utf-8"))) <= known


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_make_targets_in_the_pages_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line in re.findall(r"(?:^ {4}|`|&& )make ([^`\n#&)]+)", path.read_text(encoding="utf-8"), re.MULTILINE):
        assert {word for word in line.split() if "=" not in word} <= targets, line


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_buttons_and_headings_in_the_pages_are_there(path: Path) -> None:
    shown = on_screen()
    for words in re.findall(r"(?<![*\w`])\*([A-Z][^*`|]{2,60}?)\*(?![*\w])", path.read_text(encoding="utf-8")):
        assert " ".join(words.split()).lower() in shown, words
