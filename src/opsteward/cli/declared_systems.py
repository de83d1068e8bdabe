"""What `opsteward systems change | plan | apply | access` do: files read, requests sent, answers shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opsteward.cli import show
from opsteward.cli.client import Client
from opsteward.cli.failures import REFUSED, Failure
from opsteward.cli.references import id_of
from opsteward.client.connection import Call
from opsteward.core.format_words import yaml_problem
from opsteward.core.json_types import JsonObject

_SIGNS = {"create": "+", "change": "~", "remove": "-", "unchanged": " ", "not_declared": "?"}


def plan(file: Path, *, prune: bool, as_json: bool) -> None:
    """Show how the inventory differs from the file."""
    _show_plan(_sent("plan", file, prune=prune), as_json=as_json, done=False)


def apply(file: Path, *, prune: bool, as_json: bool) -> None:
    """Make it as the file says."""
    _show_plan(_sent("apply", file, prune=prune), as_json=as_json, done=True)


def change(system: str, file: Path, *, as_json: bool) -> None:
    """Change the fields that the file holds."""
    client = Client()
    found = id_of(client, "system", system)
    changed = client.send(Call[JsonObject]("PATCH", f"/api/v1/systems/{found}", _read(file)))
    show.done(changed, f"Changed {changed['name']}", json_wanted=as_json)


def enable(system: str, enabled: bool, *, as_json: bool) -> None:
    """Take it into use or out of it."""
    client = Client()
    found = id_of(client, "system", system)
    changed = client.send(Call[JsonObject]("PATCH", f"/api/v1/systems/{found}", {"enabled": enabled}))
    show.done(changed, f"{'Enabled' if enabled else 'Disabled'} {changed['name']}", json_wanted=as_json)


def access(system: str, *, as_json: bool) -> None:
    """Show what works there. Ends with an error when the system can't be used."""
    client = Client()
    found: Any = client.send(Call[Any]("POST", f"/api/v1/systems/{id_of(client, 'system', system)}/access-check", {}))
    if as_json:
        show.as_json(found)
    elif found["reachable"]:
        show.say(f"{system} answers in {found['seconds'] * 1000:.0f} ms: {found['version'] or 'no version told'}")
        rows = [{**one, "works": "yes" if one["works"] else "no"} for one in found["capabilities"]]
        if rows:
            show.table(rows, ["name", "works", "problem", "remedy"], empty="", whole=("remedy",))
    if not found["reachable"]:
        raise Failure(f"{system}: {found['problem']}", *([found["remedy"]] if found["remedy"] else []), code=REFUSED)


def _sent(what: str, file: Path, *, prune: bool) -> object:
    read = _read(file)
    body = {"systems": read.get("systems", []), "prune": prune}
    return Client().send(Call[object]("POST", f"/api/v1/systems/{what}", body))


def _show_plan(plan: Any, *, as_json: bool, done: bool) -> None:
    if as_json:
        show.as_json(plan)
        return
    for one in plan["systems"]:
        if one["what"] != "unchanged":
            show.say(f"{_SIGNS[one['what']]} {one['name']}: {one['what'].replace('_', ' ')}")
        for field in one["fields"]:
            show.say(f"    {field['field']}: {field['now']} -> {field['declared']}")
    same = sum(one["what"] == "unchanged" for one in plan["systems"])
    show.say(f"{plan['changes']} {'changed' if done else 'to change'}, {same} as declared")


def _read(file: Path) -> JsonObject:
    """The object that a YAML or JSON file holds. Ends with an error that says what is wrong with it."""
    import yaml

    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise Failure(f"{file} can't be read: {error.strerror}", code=REFUSED) from None
    except UnicodeDecodeError:
        raise Failure(f"{file} is no UTF-8", code=REFUSED) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        problem, remedy = yaml_problem(f"{getattr(error, 'problem', '')} {getattr(error, 'context', '')}")
        raise Failure(f"{file} is no YAML{where}: {problem}; {remedy}", code=REFUSED) from None
    if isinstance(found, list):
        found = {"systems": found}
    if not isinstance(found, dict):
        raise Failure(
            f"{file} holds no fields", "write a mapping, for plan and apply with systems: [...]", code=REFUSED
        )
    return found
