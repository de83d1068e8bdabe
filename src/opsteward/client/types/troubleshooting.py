"""What the API takes and answers about troubleshooting, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict


class SessionIn(TypedDict):
    """What seems to be wrong ("pages are slow"), and with which system; all are looked at when none is named."""

    complaint: NotRequired[str]
    system: NotRequired[str | None]
