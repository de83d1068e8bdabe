"""`opsteward troubleshoot`: have the systems looked at now, and see what was found."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from opsteward.client.types import SessionReplay, SessionView

_LOOK_EVERY = 0.3  # seconds
_CHANGES_SHOWN = 5


def troubleshoot(
    complaint: Annotated[str, typer.Argument(help='What seems to be wrong, such as "pages are slow".')] = "",
    system: Annotated[str | None, typer.Option(help="Begin at this system; all are looked at without it.")] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the end; 0 only starts it.")] = 120.0,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Start a troubleshooting session and show what it found; standing orders decide what it may do."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import troubleshooting

    client = Client()
    found = client.send(troubleshooting.start_session(complaint=complaint, system=system))
    deadline = time.monotonic() + wait
    while found["status"] != "ended" and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY)
        found = client.send(troubleshooting.get_session(found["id"]))
    if as_json:
        show.as_json(found)
        return
    _show(found)


def replay(
    session: Annotated[str, typer.Argument(help="The session's id, as `opsteward troubleshoot` tells it.")],
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Judge a past session again by today's rules and standing orders, from what it recorded; nothing is done. Exit
    code 1 where something differs."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.client.operations import troubleshooting

    found = Client().send(troubleshooting.replay_a_session(session))
    if as_json:
        show.as_json(found)
    else:
        _show_replay(found)
    raise typer.Exit(1 if found["differences"] else 0)


def _show_replay(found: SessionReplay) -> None:
    from opsteward.cli import show

    then = {cause["issue"]: f"{cause['probability']:.2f}" for cause in found["recorded_causes"]}
    rows = [
        {**cause, "then": then.get(cause["issue"], "-"), "today": f"{cause['probability']:.2f}"}
        for cause in found["causes"]
    ]
    show.table(rows, ["then", "today", "type", "system", "title"], empty="It found nothing.")
    for name, fix in (("Done then", found["recorded_fix"]), ("Would be done today", found["fix"])):
        told = f"{fix['action']} on {fix['system']} under {fix['standing_order']}" if fix else "nothing"
        show.say(f"{name}: {show.plain(told)}")
    for why in found["not_allowed"]:
        show.say(f"  not allowed: {show.plain(why)}")
    for difference in found["differences"]:
        show.say(f"Differs: {show.plain(difference)}")
    if not found["differences"]:
        show.say("Nothing differs.")


def _show(found: SessionView) -> None:
    from opsteward.cli import show
    from opsteward.cli.actors import told

    show.say(f"Session {found['id']}, asked for by {told(found.get('requester')) or 'nobody'}")
    show.table(found["phases"], ["name", "round", "seconds", "summary"], empty="The session has not begun yet.")
    if found["causes"]:
        titles = {cause["issue"]: f"{cause['title']} ({cause['system']})" for cause in found["causes"]}
        rows = [{**cause, "follows_from": titles.get(cause["follows_from"], "")} for cause in found["causes"]]
        show.table(rows, ["probability", "type", "system", "title", "follows_from"], empty="")
    for change in found["changes"][:_CHANGES_SHOWN]:
        show.say(f"Changed just before: {show.plain(change['what'])}, {change['object']}, by {change['who']}")
    if found["status"] == "ended":
        show.say(f"{found['outcome']}: {show.plain(found['summary'])}. Health {found['health_score']} of 100.")
    else:
        show.say(f"It goes on (phase {found['phase']}); see GET /api/v1/troubleshooting/sessions/{found['id']}")
