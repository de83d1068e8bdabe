"""What notices say. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from opsteward.events.types import IncidentView
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


def composed(
    route: NotificationRoute, kind: str, incidents: Sequence[IncidentView], public_url: str | None
) -> tuple[str, str, str]:
    """Title, body and severity of a notice about these incidents, by the route's templates where it has some."""
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
    return title[:_TITLE_LIMIT], body[:_BODY_LIMIT], worst.severity


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
