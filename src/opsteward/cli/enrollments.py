"""`opsteward enrollments`: who waits to be let in and with what, and the decision, on one or on several."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from opsteward.cli.listing import LIMIT, All, Json, Limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opsteward.cli.client import Client
    from opsteward.client.types import Actor, DecideEnrollmentIn, EnrollmentInfo, EnrollmentInFull

app = typer.Typer(help="Who waits to be let in, and with what.", no_args_is_help=True)

Verdict = Literal["approve", "reject"]
BULK_LIMIT = 200  # of one decision, as the API takes it
Which = Annotated[
    str, typer.Argument(metavar="ENROLLMENT", help="Its id, the end of it that the list shows, or who waits.")
]
Some = Annotated[
    list[str] | None,
    typer.Argument(metavar="ENROLLMENT...", help="Their ids, the ends of them that the list shows, or who waits."),
]
Reason = Annotated[str, typer.Option(help="Kept in the user's history.")]
Search = Annotated[str | None, typer.Option(help="Instead: all that wait whose user's names or address hold this.")]
OfType = Annotated[str | None, typer.Option("--type", help="Instead: all that wait to be enrolled as this.")]
Digest = Annotated[
    str | None, typer.Option("--grants-digest", help="Of what you have read that it would grant, for one enrolment.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask: what is shown is what you decide on.")]


@app.command("list")
def list_enrollments(
    status: Annotated[
        str | None, typer.Option(help="pending_manual_review, approved, rejected or another status; empty for all.")
    ] = "pending_manual_review",
    user: Annotated[str | None, typer.Option(help="Only those of this user, by name or id.")] = None,
    search: Annotated[
        str | None, typer.Option(help="Words in the user's names and address, of the newest 20,000.")
    ] = None,
    older_than: Annotated[str | None, typer.Option(help="Requested longer ago than this: 30m, 12h, 7d.")] = None,
    before: Annotated[str | None, typer.Option(help="Older than the enrolment of this id.")] = None,
    limit: Limit = LIMIT,
    every: All = False,
    as_json: Json = False,
) -> None:
    """What waits for a decision, the newest first."""
    from opsteward.cli.actors import told
    from opsteward.cli.client import Client
    from opsteward.cli.durations import instant_before
    from opsteward.cli.listing import show_pages
    from opsteward.cli.references import id_of
    from opsteward.client.operations import enrollments as requests

    user_id = id_of(Client(), "user", user) if user is not None else None
    show_pages(
        requests.list_enrollments,
        (
            "id",
            "username",
            "full_name",
            "enrollment_type",
            "status",
            "waits_for",
            "would_grant",
            "requested_at",
            "decided_by",
        ),
        params={
            "status": status or None,
            "user_id": user_id,
            "search": search,
            "until": instant_before(older_than),
            "before": before,
        },
        empty="Nobody waits to be let in.",
        limit=limit,
        every=every,
        as_json=as_json,
        whole=("requested_at",),
        rows=lambda one: {
            **one,
            "waits_for": _waits_for(one),
            "would_grant": ", ".join(value for _, value in _grants(one)),
            "decided_by": told(one["decider"]),
        },
    )


@app.command("show")
def show_enrollment(enrollment: Which, as_json: Json = False) -> None:
    """One enrolment: what it would grant on which systems, who asked, who decided on which stage."""
    from opsteward.cli import show
    from opsteward.cli.client import Client
    from opsteward.cli.references import id_of
    from opsteward.client.operations import enrollments as requests

    client = Client()
    found = client.send(requests.get_enrollment(id_of(client, "enrollment", enrollment)))
    if as_json:
        show.as_json(found)
    else:
        _show(found)


def _show(found: EnrollmentInFull) -> None:
    from opsteward.cli import show
    from opsteward.cli.actors import told

    show.say(f"{found['full_name']} ({found['username']}) as {found['enrollment_type']}: {found['status']}")
    lines: list[tuple[str, str | None]] = [
        ("asked by", told(found["requester"])),
        ("requested at", found["requested_at"]),
    ]
    for stage in found["stages"]:
        said = str(stage["status"])
        if isinstance(decider := stage.get("decider"), dict):
            because = f": {stage['reason']}" if stage.get("reason") else ""
            said = f"{said} by {told(cast('Actor', decider))} at {stage.get('at')}{because}"
        lines.append((f"stage {stage['name']}", said))
    if found["will_grant"]:
        lines += [(f"would grant {what}", value) for what, value in _grants(found)] or [("would grant", "nothing new")]
        if conflict := found["will_grant"]["refused_for"]:
            lines.append(("can't be approved", f"nobody may have {' and '.join(conflict)} together"))
    elif found["decider"]:
        lines += [("decided by", told(found["decider"])), ("decided at", found["decided_at"])]
    show.record(lines)


def _grants(enrollment: EnrollmentInFull) -> list[tuple[str, str]]:
    """What its approval would give, in words."""
    grant = enrollment["will_grant"]
    if grant is None:
        return []
    systems = ["every system there is and will be"] if grant["all_systems"] else grant["systems"]
    found = [("permissions", ", ".join(grant["permissions"])), ("systems", ", ".join(systems))]
    if grant["access_days"]:
        found.append(("until", f"{grant['access_days']} days after"))
    return [(what, value) for what, value in found if value]


@app.command("approve")
def approve(
    enrollments: Some = None,
    search: Search = None,
    enrollment_type: OfType = None,
    grants_digest: Digest = None,
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Say yes to the stage that each waits for, as it is shown; after the last one the user is let in."""
    chosen = _chosen(enrollments, search, enrollment_type, grants_digest)
    _decide("approve", chosen, grants_digest, reason, yes=yes, as_json=as_json)


@app.command("reject")
def reject(
    enrollments: Some = None,
    search: Search = None,
    enrollment_type: OfType = None,
    grants_digest: Digest = None,
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Say no to each that is shown; it gives no access."""
    chosen = _chosen(enrollments, search, enrollment_type, grants_digest)
    _decide("reject", chosen, grants_digest, reason, yes=yes, as_json=as_json)


def _chosen(
    names: Sequence[str] | None, search: str | None, enrollment_type: str | None, grants_digest: str | None
) -> list[EnrollmentInFull]:
    """Those that are named, or that wait and are like that. Raises Failure."""
    from opsteward.cli.client import Client
    from opsteward.cli.failures import Failure
    from opsteward.cli.listing import fetched
    from opsteward.cli.references import id_of
    from opsteward.client.operations import enrollments as requests

    client = Client()
    if bool(names) == (search is not None or enrollment_type is not None):
        raise Failure("enrollments: name some, or choose them by --search or --type; not both")
    if names:
        ids = list(dict.fromkeys(id_of(client, "enrollment", name) for name in names))
        found = [client.send(requests.get_enrollment(one)) for one in ids]
    else:
        wanted = {"status": "pending_manual_review", "search": search, "enrollment_type": enrollment_type}
        found = fetched(client, requests.list_enrollments, wanted, most=BULK_LIMIT + 1)
        if not found:
            raise Failure("enrollments: none that waits is like that: see 'opsteward enrollments list'")
    if len(found) > BULK_LIMIT:
        raise Failure(f"enrollments: more than {BULK_LIMIT} are like that: choose fewer")
    if grants_digest is not None and len(found) > 1:
        raise Failure("--grants-digest: is of one enrolment, and there are several: leave it out")
    return found


def _decide(
    verdict: Verdict, found: list[EnrollmentInFull], grants_digest: str | None, reason: str, *, yes: bool, as_json: bool
) -> None:
    from opsteward.cli.client import Client

    if not (as_json or (len(found) == 1 and (yes or grants_digest is not None))):
        _show_all(found)
    _ask(verdict, found, yes=yes or grants_digest is not None)
    client = Client()
    if len(found) == 1:
        _decide_one(client, verdict, found[0], grants_digest, reason, as_json=as_json)
    else:
        _decide_all(client, verdict, found, reason, as_json=as_json)


def _ask(verdict: Verdict, found: list[EnrollmentInFull], *, yes: bool) -> None:
    """Ask once. Several are decided where nobody can answer only when that was said before."""
    from opsteward.cli.failures import Failure

    if yes:
        return
    if sys.stdin.isatty():
        which = "exactly this" if len(found) == 1 else f"exactly these {len(found)}"
        typer.confirm(f"{verdict.capitalize()} {which}?", abort=True)
    elif len(found) > 1:
        raise Failure("nobody can be asked here: give --yes")


def _decide_one(
    client: Client, verdict: Verdict, one: EnrollmentInFull, grants_digest: str | None, reason: str, *, as_json: bool
) -> None:
    from opsteward.cli import show
    from opsteward.client.operations import enrollments as requests

    decide = requests.approve_enrollment if verdict == "approve" else requests.reject_enrollment
    answer = client.send(decide(one["id"], reason=reason, grants_digest=grants_digest or one["grants_digest"]))
    if as_json:
        show.as_json(answer)
    else:
        waits = _waits_for(answer)
        show.say(f"Enrolment {answer['id']} is {answer['status']}{f', and waits for {waits}' if waits else ''}")


def _decide_all(client: Client, verdict: Verdict, found: list[EnrollmentInFull], reason: str, *, as_json: bool) -> None:
    from opsteward.cli import show
    from opsteward.cli.failures import REFUSED, Failure
    from opsteward.client.operations import enrollments as requests

    if decided := [one["username"] for one in found if one["grants_digest"] is None]:
        raise Failure(f"enrollments: already decided: {', '.join(decided[:5])}: leave those out")
    items: list[DecideEnrollmentIn] = [{"id": one["id"], "grants_digest": one["grants_digest"] or ""} for one in found]
    answer = client.send(requests.decide_enrollments(verdict=verdict, items=items, reason=reason))
    if as_json:
        show.as_json(answer)
    else:
        columns = ("id", "outcome", "user", "enrollment_type", "detail")
        show.table(answer["items"], columns, empty="", whole=("outcome",))
        show.say(f"{answer['decided']} decided, {answer['not_decided']} not")
    if answer["not_decided"]:
        raise typer.Exit(REFUSED)


def _show_all(found: list[EnrollmentInFull]) -> None:
    from opsteward.cli import show
    from opsteward.cli.actors import told

    if len(found) == 1:
        _show(found[0])
        return
    rows = [
        {
            "user": f"{one['full_name']} ({one['username']})",
            "as": one["enrollment_type"],
            "would_grant": ", ".join(value for _, value in _grants(one)) or "nothing new",
            "asked_by": told(one["requester"]),
        }
        for one in found
    ]
    show.table(rows, ("user", "as", "would_grant", "asked_by"), empty="", whole=("would_grant",))


def _waits_for(enrollment: EnrollmentInfo | EnrollmentInFull) -> str:
    stages, stage = enrollment["stages"], enrollment["stage"]
    waits = enrollment["status"] == "pending_manual_review" and stage < len(stages)
    return str(stages[stage]["name"]).replace("_", " ") if waits else ""
