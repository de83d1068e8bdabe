"""What each route about sources is asked, written from the OpenAPI document by
`python docs/generate.py`.

No sending here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsteward.client.connection import Call, Page, path_id

if TYPE_CHECKING:
    from typing import Unpack
    from uuid import UUID

    from opsteward.client import types


def list_sources() -> Call[Page[types.SourceInfo]]:
    """The products whose bodies are known, the tenant's own sources, where each is sent and how much came."""
    return Call("GET", "/api/v1/sources")


def create_source(**fields: Unpack[types.NewSourceIn]) -> Call[types.SourceDetail]:
    """A source of one's own, with an address of its own: /api/v1/intake/{slug}."""
    return Call("POST", "/api/v1/sources", fields)


def get_source(source: str | UUID) -> Call[types.SourceDetail]:
    """A source with what is set for it; the secret is never shown."""
    return Call("GET", f"/api/v1/sources/{path_id(source)}")


def change_source(source: str | UUID, **fields: Unpack[types.SourceSettingsIn]) -> Call[types.SourceDetail]:
    """Set forms of one's own, a secret, topics."""
    return Call("PATCH", f"/api/v1/sources/{path_id(source)}", fields)


def reset_source(source: str | UUID) -> Call[None]:
    """Take away all that was set for it; a source of one's own is gone with that."""
    return Call("DELETE", f"/api/v1/sources/{path_id(source)}")


def list_source_bodies(
    source: str | UUID, *, before: str | None = None, limit: int | None = None
) -> Call[Page[types.KeptBody]]:
    """The last bodies, the newest first: all of no known form (up to 200), of the others a sample (up to 20)."""
    return Call("GET", f"/api/v1/sources/{path_id(source)}/bodies", params={"before": before, "limit": limit})


def get_source_body(source: str | UUID, body_id: str | UUID) -> Call[types.KeptBody]:
    """A kept body with what it holds, as it came."""
    return Call("GET", f"/api/v1/sources/{path_id(source)}/bodies/{path_id(body_id)}")


def read_source_body(source: str | UUID, body_id: str | UUID) -> Call[types.TakenFromSource]:
    """Take a kept body again, with the forms as they are now."""
    return Call("POST", f"/api/v1/sources/{path_id(source)}/bodies/{path_id(body_id)}/read")


def take_from_source(source: str | UUID) -> Call[types.TakenFromSource]:
    """Read it by the source's mapping; what that does not find is found by the names of common fields. The whole body
    stays with the events. A token may also come as basic auth's password, `X-Opsteward-Token` or `?token=`."""
    return Call("POST", f"/api/v1/intake/{path_id(source)}")


def take_alerts() -> Call[str]:
    """What Prometheus sends to an Alertmanager: an array of alerts; one whose `endsAt` has passed is over."""
    return Call("POST", "/api/v2/alerts", text=True)


def preview_mapping(**fields: Unpack[types.MappingSampleIn]) -> Call[types.MappingPreview]:
    """The first 20 events; nothing is stored. With `shapes` a mapping of one's own is tried, in JMESPath."""
    return Call("POST", "/api/v1/sources/preview", fields)


def create_sentry_project(**fields: Unpack[types.SentryProjectIn]) -> Call[types.Dsn]:
    """A DSN for an application with a Sentry SDK: it reports here once it has this in the place of its own."""
    return Call("POST", "/api/v1/sentry-projects", fields)


def list_sentry_projects(*, after: str | None = None, limit: int | None = None) -> Call[Page[types.SentryProjectInfo]]:
    """The applications with a DSN, newest first; `after`: `next` of the page before."""
    return Call("GET", "/api/v1/sentry-projects", params={"after": after, "limit": limit})


def get_sentry_project(project_id: str | UUID) -> Call[types.SentryProjectInfo]:
    """One application with a DSN."""
    return Call("GET", f"/api/v1/sentry-projects/{path_id(project_id)}")


def remove_sentry_project(project_id: str | UUID) -> Call[None]:
    """Take nothing by its DSN any more; what it reported stays."""
    return Call("DELETE", f"/api/v1/sentry-projects/{path_id(project_id)}")


def rotate_dsn(project_id: str | UUID, **fields: Unpack[types.SentryProjectsRotationIn]) -> Call[types.Dsn]:
    """A new DSN; the old one is taken for `grace` seconds more (a day), so that applications can follow one by
    one."""
    return Call("POST", f"/api/v1/sentry-projects/{path_id(project_id)}/rotate", fields)
