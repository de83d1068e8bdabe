"""What holds for every command: help for each option, and JSON where it prints something for programs to read."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
import typer

from opsteward.cli.main import _named
from opsteward.cli.main import commands as all_commands

#: Commands without `--json`, and why.
WITHOUT_JSON = {
    "up": "serves until it is told to stop",
    "worker": "works until it is told to stop",
    "mcp": "speaks MCP until its client goes",
    "demo": "is a play for a person who watches",
    "lab start": "runs until it is told to stop",
    "standing-orders export": "prints the file itself",
    "operators password": "asks a person, and answers nothing but that it is done",
}


def commands(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    subcommands = getattr(command, "commands", None)
    if subcommands is None:
        yield name, command
    for sub in (subcommands or {}).values():
        yield from commands(sub, f"{name} {sub.name}".strip())


EVERY = dict(commands(typer.main.get_command(all_commands())))


def options(command: click.Command) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


def test_all_are_found() -> None:
    assert {"status", "users list", "freezes lift", "pause task-type", "lab inject", "bench load"} <= set(EVERY)
    assert len(EVERY) > 70


def test_a_command_alone_is_as_it_is_among_all() -> None:
    alone: dict[str, click.Command] = {}
    for first in {name.partition(" ")[0] for name in EVERY}:
        alone |= commands(typer.main.get_command(all_commands(first)))
    assert {name: options(command) for name, command in alone.items()} == {
        name: options(command) for name, command in EVERY.items()
    }


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["users", "list"], "users"),
        (["up", "--port", "0"], "up"),
        (["--url", "tasks", "users", "list"], "users"),
        (["--url=http://127.0.0.1:1", "status"], "status"),
        (["users", "--help"], "users"),
        (["--help", "users"], None),
        (["--url", "tasks"], None),
        (["user", "list"], None),
        ([], None),
    ],
)
def test_all_are_put_together_where_no_known_one_is_asked_for(arguments: list[str], named: str | None) -> None:
    assert _named(arguments) == named


def test_every_command_that_prints_data_prints_it_for_programs_too() -> None:
    assert {name for name, command in EVERY.items() if "--json" not in options(command)} == set(WITHOUT_JSON)


@pytest.mark.parametrize("name", EVERY)
def test_every_command_and_each_of_its_options_has_a_help_text(name: str) -> None:
    command = EVERY[name]
    assert command.help
    assert [p.name for p in command.params if not getattr(p, "help", None)] == []


#: Lists that are never long.
SHORT = {"tenants list", "plugins list", "sources list", "inhibitions list", "direct-calls list"}


def test_a_list_can_be_limited_and_shown_whole() -> None:
    lists = [command for name, command in EVERY.items() if name.endswith(" list") and name not in SHORT]
    assert len(lists) > 8
    assert all({"--limit", "--all"} <= options(command) for command in lists)
