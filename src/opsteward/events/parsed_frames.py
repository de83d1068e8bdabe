"""What an application's SDK has parsed already: errors with their frames, and a message's text before its values.

Read from an event's context, in the form that Sentry's SDKs made common: `exception.values[].stacktrace.frames[]` and
`logentry.message`. The SDK knows which frames are the application's own (`in_app`); a text would have to be guessed at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from opsteward.core.json_types import Json
from opsteward.events.stack_traces import (
    ERROR_LIMIT,
    FRAME_LIMIT,
    LIBRARY_FRAMES,
    StackTrace,
    error_as_grouped,
    frame_as_grouped,
    is_library,
)

_NAME_LIMIT = 400  # characters of a name that take part
_FIELDS = frozenset({"exception", "stacktrace", "threads"})
_VALUE_LIMIT = 600  # of what an error says
#: Where a function's name does not say of which module or class it is.
_OF_MODULES = frozenset({"java", "csharp", "go", "elixir", "perl"})


def parsed_trace(context: Mapping[str, Json]) -> StackTrace | None:
    """The errors and frames of the context; None where it has none."""
    if _FIELDS.isdisjoint(context):
        return None
    errors = [error for error in _listed(context.get("exception")) if error.get("type") or error.get("value")]
    stacks = [_frames(error) for error in errors] or _without_errors(context)
    if not errors and not any(stacks):
        return None
    platform = context.get("platform")
    mine, other = _told_apart(stacks, platform if isinstance(platform, str) else "")
    told = dict.fromkeys(_error(error, context) for error in errors[-ERROR_LIMIT:])
    own = _grouped(mine, FRAME_LIMIT)
    return StackTrace(tuple(told), own or _grouped(other, LIBRARY_FRAMES), bool(own))


def _error(error: Mapping[str, Json], context: Mapping[str, Json]) -> tuple[str, str]:
    """Type and text; of a message that an SDK gave a stack and so made an error of, the text before its values."""
    kind = _text(error.get("type"))
    said = _text(error.get("value"), _VALUE_LIMIT)
    return error_as_grouped(kind, said if kind else (parsed_template(context) or said))


def parsed_template(context: Mapping[str, Json]) -> str | None:
    """The message as the application's source has it, before values were put in; None where it was not sent."""
    entry = context.get("logentry")
    if isinstance(entry, dict) and entry.get("params") and isinstance(entry.get("message"), str):
        return str(entry["message"])
    return None


def _told_apart(
    stacks: Sequence[Sequence[Mapping[str, Json]]], platform: str
) -> tuple[Iterable[tuple[str, str]], Iterable[tuple[str, str]]]:
    """File and function of the application's frames, and of the others, the innermost first."""
    frames = [frame for stack in reversed(stacks) for frame in reversed(stack)]
    own = [frame for frame in frames if frame.get("in_app") is True]
    if own:  # the SDK has judged, and the others do not count
        return (_names(frame, platform) for frame in own), ()
    mine: list[tuple[str, str]] = []
    other: list[tuple[str, str]] = []
    for frame in frames:
        names = _names(frame, platform)
        (other if frame.get("in_app") is False or is_library(*names) else mine).append(names)
    return mine, other


def _grouped(names: Iterable[tuple[str, str]], limit: int) -> tuple[str, ...]:
    """The first of them as they are compared, each once."""
    found: dict[str, None] = {}
    for path, function in names:
        found[frame_as_grouped(path, function)] = None
        if len(found) >= limit:
            break
    return tuple(found)


def _names(frame: Mapping[str, Json], platform: str) -> tuple[str, str]:
    path = _text(frame.get("filename") or frame.get("abs_path") or frame.get("module") or frame.get("package"))
    function = _text(frame.get("function") or frame.get("raw_function"))
    module = _text(frame.get("module"))
    if module and platform in _OF_MODULES and not function.startswith(module):
        function = f"{module}.{function}"
    return path, function


def _without_errors(context: Mapping[str, Json]) -> list[Sequence[Mapping[str, Json]]]:
    """The stack of a message: the event's own, or of the thread that crashed or sent it."""
    if own := _frames(context):
        return [own]
    threads = [thread for thread in _listed(context.get("threads")) if _frames(thread)]
    for mark in ("crashed", "current"):
        for thread in threads:
            if thread.get(mark) is True:
                return [_frames(thread)]
    return [_frames(threads[0])] if len(threads) == 1 else []


def _frames(error: Mapping[str, Json]) -> Sequence[Mapping[str, Json]]:
    stack = error.get("stacktrace")
    return _objects(stack.get("frames")) if isinstance(stack, dict) else []


def _listed(value: Json) -> list[Mapping[str, Json]]:
    return _objects(value.get("values") if isinstance(value, dict) else value)


def _objects(value: Json) -> list[Mapping[str, Json]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: Json, limit: int = _NAME_LIMIT) -> str:
    return str(value)[:limit] if isinstance(value, (str, int, float)) else ""
