"""What the API takes and answers about sources, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from opsteward.client.types.events import TakenEvent
from opsteward.core.json_types import Json


class Dsn(TypedDict):
    """The only time the DSN is seen."""

    id: str
    number: int
    dsn: str


class KeptBody(TypedDict):
    """`mapped`: it had a form that is declared. `reading`: {count, first} of the events that it became. `body` is
    given only where one is asked for."""

    id: str
    slug: str
    received_at: str
    kind: str
    headers: dict[str, Json]
    mapped: bool
    trouble: str
    reading: dict[str, Json]
    body: NotRequired[str | None]


class MappingPreview(TypedDict):
    """What a body would become. `shape` is the place of the form that it has, from 0; null: by common names."""

    shape: int | None
    left_out: int
    events: list[ReadEvent]


class MappingSampleIn(TypedDict):
    """A sample, and how to read it: a source's mapping, or forms that are tried out."""

    body: Json
    source: NotRequired[str]
    headers: NotRequired[dict[str, str]]
    shapes: NotRequired[list[Shape] | None]


class NewSourceIn(TypedDict):
    """A source that nothing ships for."""

    title: NotRequired[str | None]
    shapes: NotRequired[list[Shape] | None]
    secret: NotRequired[str | None]
    signature: NotRequired[Signature | None]
    topics: NotRequired[list[str] | None]
    slug: str


class ReadEvent(TypedDict):
    """An event as it would be taken."""

    message: str
    source: str
    severity: str | None
    occurred_at: str | None
    resolved: bool
    error_type: str | None
    stack_trace: str | None
    labels: dict[str, Json]
    group_key: str | None


class SentryProjectIn(TypedDict):
    """An application; its events have this name as their source, and belong to the system of that name."""

    name: str


class SentryProjectInfo(TypedDict):
    """An application that reports through a Sentry SDK. Its events have its `name` as their source; `number` is what
    stands at the end of its DSN. `previous_until`: how long the key before the last rotation is still taken."""

    id: str
    name: str
    number: int
    created_by: str
    created_at: str
    last_used_at: str | None
    previous_until: str | None


class Shape(TypedDict):
    """One form of a source's body. An expression sees one item of `each`, with the whole body as `_body`, the
    request's headers as `_headers`. What an expression does not find is looked for by the names of common fields."""

    when: NotRequired[str | None]
    each: NotRequired[str | None]
    title: NotRequired[str | None]
    description: NotRequired[str | None]
    error_type: NotRequired[str | None]
    stack_trace: NotRequired[str | None]
    severity: NotRequired[str | None]
    severity_map: NotRequired[dict[str, str]]
    severity_default: NotRequired[str | None]
    time: NotRequired[str | None]
    resolved: NotRequired[str | None]
    routine: NotRequired[str | None]
    identity: NotRequired[str | None]
    labels: NotRequired[str | None]
    link: NotRequired[str | None]


class Signature(TypedDict):
    """How a vendor signs what it sends. `signed` is what the signature is over, of {body}, {timestamp} and {id}."""

    scheme: NotRequired[Literal["hmac", "token"]]
    header: str
    algorithm: NotRequired[Literal["sha256", "sha1", "sha512"]]
    encoding: NotRequired[Literal["hex", "base64"]]
    prefix: NotRequired[str]
    separator: NotRequired[str]
    signed: NotRequired[str]
    timestamp: NotRequired[str]
    id_header: NotRequired[str]
    tolerance: NotRequired[int]
    secret_prefix: NotRequired[str]


class SourceDetail(TypedDict):
    """A source with what ships for it (`shipped_shapes`) and what the tenant has set (`shapes`)."""

    info: SourceInfo
    shapes: list[Shape]
    shipped_shapes: list[Shape]
    signature: Signature | None
    has_secret: bool
    topics: list[str]
    changed_at: str | None


class SourceInfo(TypedDict):
    """A source: bodies of `title` are taken at `path`, also under its other names."""

    slug: str
    title: str
    path: str
    aliases: list[str]
    documentation: str
    setup: str
    shapes: int
    own_shapes: int
    shipped: bool
    signed: bool
    can_sign: bool
    bodies: int
    events: int
    unmapped: int
    refused: int
    last_received_at: str | None
    last_refusal: str


class SourceSettingsIn(TypedDict):
    """What is to change; null takes it away, what is left out stays."""

    title: NotRequired[str | None]
    shapes: NotRequired[list[Shape] | None]
    secret: NotRequired[str | None]
    signature: NotRequired[Signature | None]
    topics: NotRequired[list[str] | None]


class TakenFromSource(TypedDict):
    """How many events of the body are committed, and what became of each."""

    accepted: int
    source: str
    mapped: bool
    left_out: int
    events: list[TakenEvent]


class SentryProjectsRotationIn(TypedDict):
    """For how long the old DSN is still taken."""

    grace: NotRequired[int]
