"""`opsteward diagnose`: what is wrong with one system, the likeliest causes first, with the proof on demand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

if TYPE_CHECKING:
    from opsteward.client.types import Issue, SystemDiagnosis


def diagnose(
    system: Annotated[str, typer.Argument(help="The system's name.")],
    only: Annotated[
        list[str] | None, typer.Option(help="This diagnoser alone: web, database or network; may be repeated.")
    ] = None,
    evidence: Annotated[bool, typer.Option("--evidence", help="With the proof of each: values and queries.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Look at a system now and say what is wrong; changes nothing. Exit code 1 where something is."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import troubleshooting

    found = Client().send(troubleshooting.diagnose_system(system=system, domains=cast(Any, only or [])))
    if as_json:
        show.as_json(found)
    else:
        _show(found, evidence=evidence)
    raise typer.Exit(1 if found["health_status"] in ("down", "degraded") else 0)


def _show(found: SystemDiagnosis, *, evidence: bool) -> None:
    from opsteward.cli import show

    show.say(
        f"{found['system']} is {found['health_status']}, health {found['health_score']} of 100"
        f" (looked at for {found['duration']:.1f} s)"
    )
    _list(found["issues"], "Nothing is wrong with it.", evidence=evidence)
    if found["advice"]:
        show.say("")
        show.say("Could be better:")
        _list(found["advice"], "", evidence=evidence)
    if found["unseen"]:
        show.say("")
        show.say("Could not be looked at:")
        reasons: dict[str, list[str]] = {}
        for told in found["unseen"]:
            what, _, why = told.removeprefix(f"{found['system']}: ").partition(": ")
            reasons.setdefault(why, []).append(what)
        for why, blind in reasons.items():
            show.say(f"  {', '.join(blind)}: {why}")


def _list(issues: list[Issue], empty: str, *, evidence: bool) -> None:
    from opsteward.cli import show

    if not evidence:
        rows = [{**issue, "seen": issue["description"], "fix": _fix(issue)} for issue in issues]
        show.table(rows, ["severity", "type", "seen", "fix"], empty=empty)
        return
    if not issues:
        show.say(empty)
    for number, issue in enumerate(issues, start=1):
        if number > 1:
            show.say("")
        show.say(f"{number}. {issue['title']} ({issue['severity']}, {issue['type']})")
        show.say(f"   {issue['description']}")
        show.say(f"   fix: {_fix(issue)}")
        for name, value in issue["evidence"].items():
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            show.say(f"   {name}: {shown}")


def _fix(issue: Issue) -> str:
    """The actions that would mend it, or what a person has to do."""
    actions = ", ".join(fix["action"] for fix in issue["fixes"])
    return actions or str(issue["evidence"].get("advice", "-"))
