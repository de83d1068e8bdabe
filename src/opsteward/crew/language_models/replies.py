"""Replies of servers with OpenAI's interface, read as they come: each server's own way of it is made the usual one.

Only what is used of a reply is taken over, so that nothing else in it can be wrong: the words and the calls of the
first choice, why it ended, and its usage. What a failure means belongs to `language_models.calls`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast
from uuid import uuid4

from pydantic_ai.exceptions import ModelHTTPError, UnexpectedModelBehavior

from opsteward.core.json_types import Json, JsonObject

#: How servers say that the reply was cut off where it was too long.
_CUT_OFF = frozenset({"length", "max_tokens", "model_length", "max_output_tokens"})
_ENDS = frozenset({"stop", "tool_calls", "content_filter", "function_call"})
#: And that it is none: the server failed, or gave up, in the middle of it.
_GIVEN_UP = frozenset({"error", "abort"})
_BAD_GATEWAY = 502
#: What keeps a connection open: a line of its own before the reply.
_COMMENT = re.compile(r"\s*:[^\n]*")


class ErrorInReply(ModelHTTPError):
    """The model had begun its reply when an error came: what it had said by then may have to be paid for."""


def replied_document(body: bytes) -> JsonObject:
    """The object of JSON in a body, behind comments that kept the connection open; or one put together of the events of
    a stream, which some servers send though none was asked for. Raises UnexpectedModelBehavior."""
    text, at = body.decode("utf-8-sig", errors="replace"), 0
    while comment := _COMMENT.match(text, at):
        at = comment.end()
    text = text[at:].strip()
    try:
        found = _joined(_events(text)) if text.startswith(("data:", "event:", "id:")) else json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UnexpectedModelBehavior("the reply is no object of JSON")
    return found


def usual_completion(replied: JsonObject, model: str) -> JsonObject:
    """A completion as OpenAI words it. `model`: the one that was asked, where the reply names none.

    Raises UnexpectedModelBehavior; ModelHTTPError for an error that came as a reply, ErrorInReply for one within it.
    """
    choice = next((_object(one) for one in _list(replied.get("choices")) if isinstance(one, dict)), {})
    if error := choice.get("error") or (not choice.get("message") and replied.get("error")):
        has_begun = bool(choice or _object(replied.get("usage")))
        raise (ErrorInReply if has_begun else ModelHTTPError)(_status(error), model)
    if not choice:
        raise UnexpectedModelBehavior("the reply has no choice")
    message = _message(_object(choice.get("message")))
    ended = choice.get("finish_reason")
    named = replied.get("model")
    usage = _usage(_object(replied.get("usage")))
    return {
        "id": _text(replied.get("id")),
        "object": "chat.completion",
        "created": _whole(replied.get("created")) or 0,
        "model": named if isinstance(named, str) and named else model,
        "choices": [{"index": 0, "message": message, "finish_reason": _ended(ended, called="tool_calls" in message)}],
        **({"usage": usage} if usage else {}),
    }


def _message(given: JsonObject) -> JsonObject:
    message: JsonObject = {"role": "assistant", "content": _words(given.get("content"))}
    for name in ("refusal", "reasoning", "reasoning_content"):
        if isinstance(given.get(name), str):
            message[name] = given[name]
    calls = [_object(one) for one in _list(given.get("tool_calls"))]
    if not calls and isinstance(given.get("function_call"), dict):
        calls = [{"function": given["function_call"]}]
    if calls:
        message["tool_calls"] = _calls(calls)
    return message


def _words(content: Json) -> str | None:
    """Its text; of several parts that of those that are text: others are pictures, or thoughts."""
    if isinstance(content, list):
        return "".join(_text(_object(one).get("text")) for one in content if _object(one).get("type") == "text")
    return content if isinstance(content, str) else None


def _calls(given: list[JsonObject]) -> list[Json]:
    calls: list[Json] = []
    taken = {""}
    for one in given:
        function, call_id = _object(one.get("function")) or one, _text(one.get("id"))
        if call_id in taken:  # what a tool gives is told by the id of its call
            call_id = f"call_{uuid4().hex[:16]}"
        taken.add(call_id)
        called: JsonObject = {
            "name": _text(function.get("name")).removeprefix("functions.").partition(":")[0],
            "arguments": _arguments(function.get("arguments")),
        }
        calls.append({"id": call_id, "type": "function", "function": called})
    return calls


def _arguments(given: Json) -> str:
    """As the JSON of an object, whether they came as an object, as its JSON, or as the JSON of that."""
    if given is None or given == "":
        return "{}"
    if not isinstance(given, str):
        return json.dumps(given)
    fenced = given.strip()
    if fenced.startswith("```") and fenced.endswith("```"):
        given = fenced.removesuffix("```").partition("\n")[2]
    if given.lstrip().startswith('"'):
        try:
            inner = json.loads(given)
        except ValueError:
            return given
        return inner if isinstance(inner, str) else given
    return given


def _ended(reason: Json, *, called: bool) -> str:
    word = reason.lower() if isinstance(reason, str) else ""
    if word in _GIVEN_UP:
        raise UnexpectedModelBehavior("the server failed in the middle of the reply")
    if word in _CUT_OFF:
        return "length"
    return word if word in _ENDS else ("tool_calls" if called else "stop")


def _usage(given: JsonObject) -> JsonObject | None:
    """Both figures, or nothing: with half of them a call would be counted as cheaper than it was. What the total has
    beyond them is paid for as well: some servers tell of the thoughts there alone."""
    used = [_whole(given.get(name, given.get(other))) for name, other in _TOKENS]
    if used[0] is None or used[1] is None:
        return None
    total = max(used[0] + used[1], _whole(given.get("total_tokens")) or 0)
    return {"prompt_tokens": used[0], "completion_tokens": total - used[0], "total_tokens": total}


#: OpenAI's names for what a call took, and the others that are in use.
_TOKENS = (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"))


def _status(error: Json) -> int:
    """The status that an error within a reply would have had."""
    code = error.get("code", error.get("status")) if isinstance(error, dict) else None
    told = int(code) if isinstance(code, str) and code.isdecimal() and len(code) == 3 else _whole(code)
    return told if told is not None and 400 <= told < 600 else _BAD_GATEWAY


def _events(text: str) -> Iterator[JsonObject]:
    """The chunks of a stream of events, up to its end. Raises ValueError."""
    for event in text.replace("\r\n", "\n").split("\n\n"):
        data = "\n".join(line[5:].strip() for line in event.split("\n") if line.startswith("data:"))
        if data == "[DONE]":
            return
        if data:
            yield _object(json.loads(data))


def _joined(chunks: Iterator[JsonObject]) -> JsonObject | None:
    """The completion that a stream's chunks are parts of; None where it broke off."""
    whole: JsonObject = {}
    words: dict[str, list[str]] = {}
    calls = _Calls()
    has_begun, ended = False, cast(Json, None)
    for chunk in chunks:
        whole |= {key: value for key, value in chunk.items() if value is not None and key != "choices"}
        choice = next((_object(one) for one in _list(chunk.get("choices"))), {})
        has_begun = has_begun or bool(choice)
        if error := choice.get("error"):
            whole["error"] = error
        delta = _object(choice.get("delta")) or _object(choice.get("message"))
        for name in ("content", "refusal", "reasoning", "reasoning_content"):
            if more := _words(delta.get(name)):
                words.setdefault(name, []).append(more)
        for part in _list(delta.get("tool_calls")):
            calls.add(_object(part))
        ended = choice.get("finish_reason") or ended
    if "error" in whole:
        return {**whole, "choices": [{"error": whole["error"]}] if has_begun else []}
    message: JsonObject = {**{name: "".join(parts) for name, parts in words.items()}, "tool_calls": calls.joined()}
    return {**whole, "choices": [{"message": message, "finish_reason": ended}]} if ended else None


@dataclass
class _Call:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class _Calls:
    """The calls of a stream, each in parts."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}

    def add(self, part: Mapping[str, Json]) -> None:
        """A further part of a call: that of its index, else of the latest unless it names a new one."""
        function, index = _object(part.get("function")), _whole(part.get("index"))
        known = self._by_index.get(index) if index is not None else None
        if index is None and self._calls and not function.get("name"):
            known = self._calls[-1]
        if known is None:
            known = _Call()
            self._calls.append(known)
            if index is not None:
                self._by_index[index] = known
        known.id = known.id or _text(part.get("id"))
        known.name = known.name or _text(function.get("name"))
        given = function.get("arguments")
        known.arguments.append(json.dumps(given) if isinstance(given, dict) else _text(given))

    def joined(self) -> list[Json]:
        """As they stand in a message."""
        return [
            {"id": one.id, "function": {"name": one.name, "arguments": "".join(one.arguments)}} for one in self._calls
        ]


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _text(value: Json) -> str:
    """A word, which may have come as a number."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _whole(value: Json) -> int | None:
    """A number that counts something."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return math.ceil(value) if 0 <= value < 2**53 else None  # so no infinity either
