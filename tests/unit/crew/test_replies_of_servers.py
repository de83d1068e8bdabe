"""Servers with OpenAI's interface differ: each one's own way of a reply is read, over real HTTP, or fails in words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError, UnexpectedModelBehavior

from opsteward.crew.language_models.calls import _failure, _retry_after
from opsteward.crew.language_models.providers import Providers
from opsteward.crew.language_models.reasoner import Finding
from opsteward.crew.settings import ModelSettings
from support.scripted_model import Reply, ScriptedModel, scripted_model

SAID = json.dumps({"analysis": "All is well.", "recommendations": [], "confidence": 0.9})
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def call(**fields: Any) -> dict[str, Any]:
    function = {"name": fields.pop("name", "final_result"), "arguments": fields.pop("arguments", SAID)}
    return {"id": "call_1", "type": "function", "function": function, **fields}


def message(*calls: Any, **fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls or [call()]), **fields}


def body(told: dict[str, Any] | None = None, *, choice: dict[str, Any] | None = None, **fields: Any) -> bytes:
    first = {"index": 0, "message": told or message(), "finish_reason": "tool_calls", **(choice or {})}
    whole = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "m"}
    return json.dumps({**whole, "choices": [first], "usage": USAGE, **fields}).encode()


def chunk(delta: dict[str, Any], finish: str | None = None, **fields: Any) -> bytes:
    return b"data: " + body(choice={"message": None, "delta": delta, "finish_reason": finish}, **fields) + b"\n\n"


def part(**fields: Any) -> dict[str, Any]:
    name, arguments = fields.pop("name", None), fields.pop("arguments", "")
    return {"tool_calls": [{"index": 0, **fields, "function": {"name": name, "arguments": arguments}}]}


KEPT_OPEN = b": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n"
STREAM = (
    KEPT_OPEN
    + chunk({"role": "assistant", "content": ""})
    + chunk(part(id="c1", type="function", name="final_result"))
    + chunk(part(arguments=SAID[:20]))
)
TYPED = {"function": {"name": "final_result", "arguments": json.loads(SAID)}}
#: Server and its way -> a body from which the answer can be read.
READ = {
    "vllm": body(
        message(call(id="chatcmpl-tool-1"), reasoning_content="Hm.", function_call=None, audio=None),
        choice={"stop_reason": 151645, "finish_reason": "stop", "logprobs": None},
        prompt_logprobs=None,
        usage={**USAGE, "prompt_tokens_details": None},
    ),
    "ollama": body(message(call(index=0), content="", reasoning="Hm."), system_fingerprint="fp_ollama"),
    "ollama, older": body(message({"id": "", **TYPED}, content=""), choice={"finish_reason": None}),
    "lm studio": body({"role": "assistant", "tool_calls": [call(id="123456789")]}, stats={}),
    "llama.cpp": body(message(call(id="")), choice={"finish_reason": "tool"}, timings={"prompt_n": 1}),
    "llama.cpp, arguments as an object": body(message(call(id=None, arguments=json.loads(SAID)))),
    "litellm": body(message(provider_specific_fields={}, annotations=[{"type": "file"}]), created=1.5, usage=None),
    "azure": body(choice={"content_filter_results": {}}, prompt_filter_results=[{"prompt_index": 0}]),
    "openrouter": b"\n    \n\n" + KEPT_OPEN + body(choice={"native_finish_reason": "STOP"}, id=None, created=None),
    "openrouter, for long": b":\n" * 1_000_000 + b" : PROCESSING\r\n\r\n" + body(),
    "openrouter, streaming": STREAM + chunk(part(arguments=SAID[20:]), "tool_calls") + b"data: [DONE]\n\n",
    "a stream with its lines ended otherwise": (
        STREAM + chunk(part(name="final_result", arguments=SAID[20:]), "stop") + b"data: [DONE]\n\n"
    ).replace(b"\n", b"\r\n"),
    "mistral": body(message(content=[{"type": "thinking", "thinking": []}, {"type": "text", "text": "So."}])),
    "kimi": body(message(call(name="functions.final_result:0"))),
    "the interface of before tools": body({"role": "assistant", "function_call": call()["function"]}),
    "arguments as JSON of JSON": body(message(call(arguments=json.dumps(SAID)))),
    "arguments in a fence": body(message(call(arguments=f"```json\n{SAID}\n```"))),
    "numbers that are none": body(usage={"prompt_tokens": float("nan"), "completion_tokens": 10**400}, created="now"),
    "a byte order mark": b"\xef\xbb\xbf" + body(object="text_completion", role="model"),
}
#: What no answer can be read from.
UNREADABLE = {
    "a page": b"<!doctype html><html><body>Sign in</body></html>",
    "nothing": b"",
    "a list": b"[]",
    "a text": b'"All is well."',
    "no choice": body(choices=[]),
    "choices that are none": body(choices=None),
    "a depth that nobody reads": b"[" * 100_000,
    "a stream that broke off": STREAM,
    "a stream that is none": b"data: <html>\n\n",
    "half of an answer, its server failed": body(choice={"finish_reason": "error"}),
    "half of a stream, its server gave up": STREAM + chunk(part(arguments=SAID[20:]), "abort") + b"data: [DONE]\n\n",
}
#: A body with the status 200 -> the status that it means.
ERRORS = {
    "openrouter": (json.dumps({"error": {"message": "Provider returned error", "code": 429}}).encode(), 429),
    "its upstream failed meanwhile": (body({}, choice={"finish_reason": "error", "error": {"code": 503}}), 503),
    "within a stream": (STREAM + b'data: {"error": {"code": "500", "message": "x"}}\n\n', 500),
    "lm studio": (b'{"error": "Unexpected endpoint or method."}', 502),
    "a word for a code": (b'{"error": {"code": "rate_limit_exceeded"}}', 502),
    "no status of an error": (b'{"error": {"code": 200}}', 502),
}


async def asked(raw: bytes) -> tuple[Finding, Any, ScriptedModel]:
    async with scripted_model(lambda *_: Reply(raw=raw)) as server:
        providers = Providers(ModelSettings(model="compatible:m", model_url=server.url, model_timeout=10))
        run = await Agent(providers.model("compatible:m"), output_type=Finding, retries=0).run("How is it?")
        return run.output, run.usage, server


@pytest.mark.parametrize("way", READ)
async def test_each_server_s_way_of_a_reply_is_read(way: str) -> None:
    found, _, server = await asked(READ[way])
    assert (found.analysis, found.confidence, len(server.requests)) == ("All is well.", 0.9, 1)


@pytest.mark.parametrize("way", UNREADABLE)
async def test_what_is_no_reply_is_said_to_be_none(way: str) -> None:
    with pytest.raises(UnexpectedModelBehavior):
        await asked(UNREADABLE[way])


@pytest.mark.parametrize("way", ERRORS)
async def test_an_error_that_comes_as_a_reply_is_an_error(way: str) -> None:
    raw, status = ERRORS[way]
    with pytest.raises(ModelHTTPError) as raised:
        await asked(raw)
    assert raised.value.status_code == status


@pytest.mark.parametrize(
    ("raw", "billed"),
    [
        (ERRORS["openrouter"][0], False),
        (b': PROCESSING\n\ndata: {"error": {"code": 502}}\n\n', False),
        (ERRORS["its upstream failed meanwhile"][0], True),
        (ERRORS["within a stream"][0], True),
        (json.dumps({"error": {"code": 502}, "choices": [], "usage": USAGE}).encode(), True),
    ],
)
async def test_an_error_after_a_reply_had_begun_may_be_paid_for(raw: bytes, billed: bool) -> None:
    with pytest.raises(ModelHTTPError) as raised:
        await asked(raw)
    failure = _failure(raised.value, "m")
    assert (failure.billed, failure.again) == (billed, True)


@pytest.mark.parametrize(
    "usage", [None, [], {"prompt_tokens": 4}, {"prompt_tokens": 4, "completion_tokens": None}, {"prompt_tokens": True}]
)
async def test_half_of_a_usage_is_none(usage: Any) -> None:
    """So that the ledger counts all that was reserved, and not less than was used."""
    _, used, _ = await asked(body(usage=usage))
    assert (used.input_tokens, used.output_tokens) == (0, 0)


async def test_usage_by_its_other_names_counts() -> None:
    _, used, _ = await asked(body(usage={"input_tokens": 4.0, "output_tokens": 2.5}))
    assert (used.input_tokens, used.output_tokens) == (4, 3)


@pytest.mark.parametrize(("total", "output"), [(90, 80), (15, 5), (3, 5), (None, 5)])
async def test_thoughts_that_the_total_alone_tells_of_are_paid_for(total: int | None, output: int) -> None:
    _, used, _ = await asked(body(usage={**USAGE, "total_tokens": total}))
    assert (used.input_tokens, used.output_tokens) == (10, output)


async def test_calls_of_a_stream_without_an_index_are_each_their_own() -> None:
    """The first of them is taken; the parts of none get into another."""
    calls = [
        part(index=None, id="c1", name="final_result", arguments=SAID[:30]),
        part(index=None, arguments=SAID[30:]),
        part(index=None, id="c2", name="final_result", arguments=SAID),
    ]
    found, _, _ = await asked(b"".join(chunk(one) for one in calls) + chunk({}, "tool_calls") + b"data: [DONE]\n\n")
    assert found.analysis == "All is well."


async def test_calls_of_one_reply_can_be_told_apart() -> None:
    """Of two ways to the end the first counts; the other is answered by its own id."""
    async with scripted_model(lambda *_: Reply(raw=body(message(call(id=""), call(id=""))))) as server:
        providers = Providers(ModelSettings(model="compatible:m", model_url=server.url))
        run = await Agent(providers.model("compatible:m"), output_type=Finding).run("How is it?")
    ids = [one.tool_call_id for reply in run.all_messages() for one in reply.parts if one.part_kind == "tool-call"]
    assert len(set(ids)) == 2
    assert all(ids)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after-ms": "1500", "retry-after": "4"}, 1.5),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0.0),
        ({"retry-after": "Fri, 31 Dec 2199 23:59:59 GMT"}, 5.0),
        ({"retry-after": "86400"}, 5.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_when_to_ask_again_is_told_in_several_ways(headers: dict[str, str] | None, seconds: float | None) -> None:
    assert _retry_after(headers) == seconds
