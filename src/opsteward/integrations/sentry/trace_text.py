"""Stack traces as people read them, written from the frames that an SDK has parsed.

Python's as Python writes them, the last call at the end; all others with the last call first, as
Java and JavaScript do.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from opsteward.core.json_types import Json, JsonObject

FRAME_LIMIT = 100  # of one error: so many from each end
ERROR_LIMIT = 50
TRACE_LIMIT = 200_000  # characters
_LINE_LIMIT = 500
_JOINTS = {
    "__cause__": "The above exception was the direct cause of the following exception:",
    "__context__": "During handling of the above exception, another exception occurred:",
}
_JOINT = "The above exception led to the following exception:"  # SDKs seldom say how


def frames_of(error: JsonObject) -> list[JsonObject]:
    """The frames of an error, the innermost call last."""
    stack = error.get("stacktrace")
    found = stack.get("frames") if isinstance(stack, dict) else None
    return [frame for frame in found if isinstance(frame, dict)] if isinstance(found, list) else []


def trace_text(errors: Sequence[JsonObject], platform: str, message: str) -> str:
    """The text of a chain of errors, the cause of all first; empty where there are neither frames nor a chain."""
    errors = errors[-ERROR_LIMIT:]
    if not any(frames_of(error) for error in errors) and len(errors) < 2:
        return ""
    if platform == "python":
        parts = [_python(error, message) for error in errors]
        joints = [_joint(error) for error in errors[1:]]
        whole = parts[0] + "".join(joint + part for joint, part in zip(joints, parts[1:], strict=True))
    else:
        whole = "\nCaused by: ".join(_last_first(error, message) for error in reversed(errors))
    return whole[:TRACE_LIMIT]


def _joint(error: JsonObject) -> str:
    mechanism = error.get("mechanism")
    source = mechanism.get("source") if isinstance(mechanism, dict) else None
    return f"\n{_JOINTS.get(source, _JOINT) if isinstance(source, str) else _JOINT}\n\n"


def _head(error: JsonObject, message: str) -> str:
    kind, value = error.get("type"), error.get("value")
    parts = [str(part)[:20_000] for part in (kind, value) if isinstance(part, (str, int, float)) and part != ""]
    return ": ".join(parts) or message.split("\n", 1)[0][:_LINE_LIMIT]


def _python(error: JsonObject, message: str) -> str:
    frames = frames_of(error)
    lines = ["Traceback (most recent call last):"] if frames else []
    lines += map(_python_frame, _bounded(frames))
    return "\n".join([*lines, _head(error, message), ""])


def _python_frame(frame: JsonObject) -> str:
    where = frame.get("abs_path") or frame.get("filename") or frame.get("module")
    number, function, code = _number(frame.get("lineno")), frame.get("function"), frame.get("context_line")
    if type(where) is type(function) is type(code) is str and len(where) + len(function) + len(code) <= _LINE_LIMIT:
        return _remembered_python_frame(where, number, function, code)
    return _python_frame_text(_line(where), number, _line(function), _line(code))


def _python_frame_text(where: str, number: int, function: str, code: str) -> str:
    text = f'  File "{where}", line {number}, in {function or "?"}'
    code = code.strip()
    return f"{text}\n    {code}" if code else text


@lru_cache(maxsize=4_096, typed=True)  # the same frames come again and again
def _remembered_python_frame(where: str, number: int, function: str, code: str) -> str:
    return _python_frame_text(_line(where), number, _line(function), _line(code))


def _last_first(error: JsonObject, message: str) -> str:
    lines = [_head(error, message)]
    for frame in reversed(_bounded(frames_of(error))):
        function = _line(frame.get("function")) or "?"
        module = _line(frame.get("module"))
        file = _line(frame.get("filename") or frame.get("abs_path") or frame.get("package")) or "?"
        if module and not function.startswith(module) and module not in file:
            function = f"{module}.{function}"
        place = ":".join(str(part) for part in (frame.get("lineno"), frame.get("colno")) if isinstance(part, int))
        lines.append(f"    at {function} ({file}{':' if place else ''}{place})")
    return "\n".join(lines)


def _bounded(frames: list[JsonObject]) -> list[JsonObject]:
    return frames if len(frames) <= 2 * FRAME_LIMIT else frames[:FRAME_LIMIT] + frames[-FRAME_LIMIT:]


def _line(value: Json) -> str:
    return value[:_LINE_LIMIT].replace("\n", " ") if isinstance(value, str) else ""


def _number(value: Json) -> int:
    return value if isinstance(value, int) else 0
