"""What notices say. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from opsteward.actions.types import ApprovalView
from opsteward.events.types import IncidentView
from opsteward.integrations.apprise.slack_buttons import Button
from opsteward.oncall.models import NotificationRoute
from opsteward.oncall.routes import filled

_SHOWN = 20
_BODY_LIMIT = 4_000
_TITLE_LIMIT = 200
_RANK = {"low": 0, "medium": 1, "high": 2}
_BEGINNINGS = {
    "page": "You are needed: ",
    "again": "Still nobody on it: ",
    "resolved": "Resolved: ",
    "incident": "",
}


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a notice says; `buttons` are for services that can have some."""

    title: str
    body: str
    severity: str
    buttons: list[Button] = field(default_factory=list)


def composed(route: NotificationRoute, kind: str, incidents: Sequence[IncidentView], public_url: str | None) -> Words:
    """Of these incidents, by the route's templates where it has some."""
    worst = max(incidents, key=lambda one: _RANK.get(one.severity, 0))
    values = values_of(worst, kind, len(incidents), public_url)
    if route.title:
        title = filled(route.title, values)
    elif len(incidents) == 1:
        title = f"{_BEGINNINGS.get(kind, '')}Incident {worst.number}: {worst.title}"
    else:
        title = f"{_BEGINNINGS.get(kind, '')}{len(incidents)} incidents, the worst: {worst.title}"
    if route.body:
        body = filled(route.body, values)
    else:
        lines = [_line(one, public_url) for one in incidents[:_SHOWN]]
        if len(incidents) > _SHOWN:
            lines.append(f"and {len(incidents) - _SHOWN} more")
        body = "\n".join(lines)
    buttons = []
    if kind != "resolved":
        buttons = [
            Button(action="acknowledge", value=str(one.id), about=f"#{one.number} {one.title}")
            for one in incidents[:_SHOWN]
        ]
    return Words(title=title[:_TITLE_LIMIT], body=body[:_BODY_LIMIT], severity=worst.severity, buttons=buttons)


def of_approvals(approvals: Sequence[ApprovalView], public_url: str | None) -> Words:
    """Of plans that wait for an approval, each with its own two buttons, which are for exactly this plan."""
    lines, buttons = [], []
    for one in approvals[:_SHOWN]:
        about = f"{one.action}: {(one.plan or {}).get('summary') or one.reason}"[:500]
        link = f"{public_url.rstrip('/')}/approvals/{one.id}" if public_url else ""
        lines.append(about + (f"\n{link}" if link else ""))
        value = f"{one.id}:{one.plan_hash}"
        buttons.append(Button(action="approve", value=value, about=about))
        buttons.append(Button(action="refuse", value=value, about=about))
    if len(approvals) > _SHOWN:
        lines.append(f"and {len(approvals) - _SHOWN} more")
    first = approvals[0].action
    title = f"Waits for your approval: {first}" if len(approvals) == 1 else f"{len(approvals)} plans wait for approval"
    body = "\n".join(lines)
    return Words(title=title[:_TITLE_LIMIT], body=body[:_BODY_LIMIT], severity="medium", buttons=buttons)


def values_of(one: IncidentView, kind: str, count: int, public_url: str | None) -> dict[str, str]:
    """What a template's names stand for."""
    return {
        "number": str(one.number),
        "title": one.title,
        "severity": one.severity,
        "status": one.status,
        "source": one.source,
        "category": one.category,
        "opened_at": f"{one.opened_at:%Y-%m-%d %H:%M} UTC",
        "link": link_of(one, public_url),
        "count": str(count),
        "kind": kind,
    }


def link_of(one: IncidentView, public_url: str | None) -> str:
    """Its page; empty while nobody said under which address Opsteward is reached."""
    return f"{public_url.rstrip('/')}/incidents/{one.id}" if public_url else ""


def _line(one: IncidentView, public_url: str | None) -> str:
    where = f" from {one.source}" if one.source else ""
    link = link_of(one, public_url)
    return f"#{one.number} {one.severity}, {one.status}{where}: {one.title}" + (f"\n{link}" if link else "")
