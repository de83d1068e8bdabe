"""What a step takes from a page: fields of forms, tags, headers, cookies, JSON. Every search is linear in the page."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Collection, Iterator, Mapping

from opsteward.core.conditions import value_at
from opsteward.core.http_client import HttpReply
from opsteward.core.json_types import Json

_TEXT_LIMIT = 256 * 1024
_VALUE_LIMIT = 8_000
_TAG = re.compile(r"<(?:(?P<form>/?form)|(?P<name>input|meta))\b(?P<rest>[^>]{0,4000})", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([A-Za-z:_-]{1,100})\s{0,9}=\s{0,9}("[^"]{0,8000}"|'[^']{0,8000}'|[^\s"'>]{1,8000})""")


def hidden_fields(page: HttpReply, named: Collection[str]) -> dict[str, str]:
    """The hidden fields of the first form that has one of the named fields; of the page's only form if none has."""
    forms = list(_forms(page.text(_TEXT_LIMIT)))
    chosen = next((fields for fields in forms if any(name in fields for name in named)), None)
    if chosen is None:
        chosen = forms[0] if len(forms) == 1 else {}
    return {name: value for name, (kind, value) in chosen.items() if kind == "hidden"}


def taken(source: str, page: HttpReply, cookie: str | None) -> str | None:
    """What `source` (as `input:csrf`) names on this page; None where it is not there."""
    kind, _, name = source.partition(":")
    found: object = None
    if kind == "cookie":
        found = cookie
    elif kind == "header":
        found = page.headers.get(name.lower())
    elif kind == "json":
        found = value_at(_document(page), name)
    elif kind == "between":
        before, _, after = name.partition("|")
        _, met, rest = page.text(_TEXT_LIMIT).partition(before)
        inner, ended, _ = rest.partition(after)
        found = inner if met and ended else None
    elif kind == "input":
        found = next((f[name][1] for f in _forms(page.text(_TEXT_LIMIT)) if name in f), None)
    elif kind == "meta":
        metas = _tags(page.text(_TEXT_LIMIT), "meta")
        found = next((m.get("content") for m in metas if name in (m.get("name"), m.get("property"))), None)
    if isinstance(found, bool) or found is None or isinstance(found, dict | list):
        return None
    return str(found)[:_VALUE_LIMIT]


def _document(page: HttpReply) -> Json:
    try:
        found: Json = json.loads(page.text(_TEXT_LIMIT))
    except (ValueError, RecursionError):
        return None
    return found


def _tags(text: str, wanted: str) -> Iterator[Mapping[str, str]]:
    for tag in _TAG.finditer(text):
        if (tag["name"] or "").lower() == wanted:
            yield _attributes(tag["rest"])


def _forms(text: str) -> Iterator[dict[str, tuple[str, str]]]:
    """The fields of each form, by name: type and value; at last those that stand in none."""
    loose: dict[str, tuple[str, str]] = {}
    fields = loose
    for tag in _TAG.finditer(text):
        if tag["form"]:
            if fields is not loose:
                yield fields
            fields = loose if tag["form"].startswith("/") else {}
        elif tag["name"].lower() == "input":
            attributes = _attributes(tag["rest"])
            if name := attributes.get("name"):
                fields.setdefault(name, (attributes.get("type", "text").lower(), attributes.get("value", "")))
    if fields is not loose:
        yield fields
    if loose:
        yield loose


def _attributes(text: str) -> Mapping[str, str]:
    return {name.lower(): html.unescape(value.strip("\"'")) for name, value in _ATTRIBUTE.findall(text)}
