"""What `scim2_models` and pydantic refuse, in our own words: the attribute, what is wrong with it, the remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from scim2_models import Error, SCIMException

from opsteward.api.scim.responses import Refused
from opsteward.core.error_words import said

_TOLD = 10
#: By the beginning of pydantic's name for what is wrong.
_WORDS = (
    ("missing", "is missing; it has to be there"),
    ("bool", "is neither true nor false; send one of them, not in a list"),
    ("string", "is no text; send one text"),
    ("list", "is no list; send a list of entries"),
    ("datetime", "is no instant; send it like 2026-01-31T12:00:00Z"),
    ("int", "is no whole number"),
    ("float", "is no number"),
    ("decimal", "is no number"),
    ("bytes", "is no Base64 text"),
    ("url", "is no URL; send it like https://example.com/x"),
    ("dict", "is no object; send an object with its parts"),
    ("model", "is no object; send an object with its parts"),
    ("extra", "is no attribute here"),
    ("literal", "is none of the values that it may have"),
    ("enum", "is none of the values that it may have"),
)
#: By the protocol's word for what is wrong (RFC 7644, 3.12).
_BY_SCIM_TYPE = {
    "invalidFilter": "is no filter that can be read, or compares what can't be compared",
    "tooMany": "fits more than can be answered; narrow it",
    "uniqueness": "is taken already; choose another",
    "mutability": "can't be changed by a client; leave it out",
    "invalidSyntax": "does not have the form that the protocol asks for",
    "invalidPath": "is no path of an attribute that there is",
    "noTarget": "fits no value that is there",
    "invalidValue": "has a value that it can't have, or lacks one that it must have",
    "invalidVers": "is a version of the protocol that is not spoken here; use 2.0",
    "sensitive": "must not stand in an address; send it in a body",
}
_REFUSED = "can't be taken as it is"


@contextmanager
def translated(names: Mapping[str, str] | None = None) -> Iterator[None]:
    """Within: a refusal of the library is one of ours. `names`: attributes by the names that the library gives."""
    try:
        yield
    except SCIMException as error:
        if isinstance(error.__cause__ or error.__context__, ValidationError):
            raise _of(error.__cause__ or error.__context__, names or {}) from None  # type: ignore[arg-type]
        raise Refused.because(scim_problem(error), error.scim_type, error.status) from None
    except ValidationError as error:
        raise _of(error, names or {}) from None
    except RecursionError:
        raise Refused.because("the request is nested too deep; flatten it", "invalidSyntax") from None


def scim_problem(error: SCIMException) -> str:
    """What the protocol's library refuses, by the protocol's own word for it."""
    return _BY_SCIM_TYPE.get(error.scim_type, _REFUSED)


def _of(error: ValidationError, names: Mapping[str, str]) -> Refused:
    found = error.errors(include_url=False, include_input=False)
    words = dict.fromkeys(_one(one, names) for one in found[:_TOLD])
    first = Error.from_validation_error(found[0])
    return Refused.because("; ".join(words), first.scim_type or "invalidValue", first.status or 400)


def _one(problem: ErrorDetails, names: Mapping[str, str]) -> str:
    kind = str(problem["type"])
    where = _place(problem["loc"], names)
    if kind.startswith("scim"):
        return f"{where or 'the resource'}: {_BY_SCIM_TYPE.get(kind.removeprefix('scim_'), _REFUSED)}"
    words = next((words for start, words in _WORDS if kind.startswith(start)), None)
    if words is None and kind == "value_error":
        words = said(problem)[0]
    return f"{where or 'the resource'}: {words or 'has a value that can not be taken'}"


def _place(loc: tuple[int | str, ...], names: Mapping[str, str]) -> str:
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.isidentifier() or ":" in part or part.startswith("$"):
            text += f"{'.' if text else ''}{names.get(part, part)}"
    return text
