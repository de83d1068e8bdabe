"""What `scim2_models` and pydantic refuse, in our own words: the attribute, what is wrong with it, the remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from scim2_models import Error, SCIMException

from opsteward.api.scim.responses import Refused

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


@contextmanager
def translated(names: Mapping[str, str] | None = None) -> Iterator[None]:
    """Within: a refusal of the library is one of ours. `names`: attributes by the names that the library gives."""
    try:
        yield
    except SCIMException as error:
        if isinstance(error.__cause__ or error.__context__, ValidationError):
            raise _of(error.__cause__ or error.__context__, names or {}) from None  # type: ignore[arg-type]
        raise Refused.because(error.detail, error.scim_type, error.status) from None
    except ValidationError as error:
        raise _of(error, names or {}) from None
    except RecursionError:
        raise Refused.because("the request is nested too deep; flatten it", "invalidSyntax") from None


def _of(error: ValidationError, names: Mapping[str, str]) -> Refused:
    found = error.errors(include_url=False, include_input=False)
    words = dict.fromkeys(_one(one, names) for one in found[:_TOLD])
    first = Error.from_validation_error(found[0])
    return Refused.because("; ".join(words), first.scim_type or "invalidValue", first.status or 400)


def _one(problem: ErrorDetails, names: Mapping[str, str]) -> str:
    kind = str(problem["type"])
    if kind.startswith("scim"):
        return str(problem["msg"])
    where = _place(problem["loc"], names)
    words = next((words for start, words in _WORDS if kind.startswith(start)), None)
    if words is None and kind == "value_error":
        words = str((problem.get("ctx") or {}).get("error") or "can't be taken")
    return f"{where or 'the resource'}: {words or 'has a value that can not be taken'}"


def _place(loc: tuple[int | str, ...], names: Mapping[str, str]) -> str:
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.isidentifier() or ":" in part or part.startswith("$"):
            text += f"{'.' if text else ''}{names.get(part, part)}"
    return text
