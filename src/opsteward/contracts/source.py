"""How an event source's bodies are read: an integration's `source.yaml`. Expressions are JMESPath."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Expression = Annotated[str, Field(min_length=1, max_length=2000)]


class Shape(BaseModel):
    """One form of a source's body. An expression sees one item of `each`, with the whole body as `_body`, the request's
    headers as `_headers`. What an expression does not find is looked for by the names of common fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Whether the body has this form; the first that has is used. Without it: always.
    when: Expression | None = None
    #: The items of the body, each of them an event; without it the body is one.
    each: Expression | None = None
    title: Expression | None = None
    description: Expression | None = None
    error_type: Expression | None = None
    stack_trace: Expression | None = None
    severity: Expression | None = None
    severity_map: dict[str, str] = {}
    severity_default: str | None = None
    time: Expression | None = None
    #: True, or a word for the end of the trouble ("resolved", "ok", "up", "closed", ...).
    resolved: Expression | None = None
    #: Whether the body tells of something in passing, and not of trouble: a push, a comment, the begin of a run.
    routine: Expression | None = None
    #: The parts that together name the alert, the same while it fires and when it ends.
    identity: Expression | None = None
    labels: Expression | None = None
    link: Expression | None = None


class Signature(BaseModel):
    """How a vendor signs what it sends. `signed` is what the signature is over, of {body}, {timestamp} and {id}."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: `hmac`: over the body with the secret; `token`: the secret itself stands in the header.
    scheme: Literal["hmac", "token"] = "hmac"
    header: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,60}$")]
    algorithm: Literal["sha256", "sha1", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    #: What stands before each signature in the header, as "sha256=" or "v1="; parts without it are none.
    prefix: Annotated[str, Field(max_length=20)] = ""
    #: What stands between several signatures of one header.
    separator: Annotated[str, Field(max_length=3)] = ","
    signed: Annotated[str, Field(max_length=60)] = "{body}"
    #: The header of the time in seconds since 1970; or "t=" for the part of the signature's own header that begins so.
    timestamp: Annotated[str, Field(max_length=60)] = ""
    id_header: Annotated[str, Field(max_length=60)] = ""
    #: How far the time may lie from ours, in seconds.
    tolerance: Annotated[int, Field(ge=1, le=3600)] = 300
    #: Of Standard Webhooks: the secret is base64 after this prefix.
    secret_prefix: Annotated[str, Field(max_length=20)] = ""


class SourceMapping(BaseModel):
    """A source: its name in the intake's address, other names that it goes by, and the forms of its bodies."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slug: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    title: Annotated[str, Field(max_length=100)]
    aliases: tuple[str, ...] = ()
    #: Where its vendor documents the body.
    documentation: str = ""
    #: How to point the vendor's product here.
    setup: str = ""
    #: How its vendor signs, checked once the tenant has given the source a secret.
    signature: Signature | None = None
    #: What a body without a form of these is: alerts, or lines of a log, which group by their text.
    reads: Literal["alerts", "log"] = "alerts"
    shapes: tuple[Shape, ...] = ()
