"""Stack traces of real programs (`evals/stack_traces`): one group for the same error, another for any other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opsteward.events.fingerprint import fingerprint
from opsteward.events.stack_traces import read_stack_trace

RECORDED = Path(__file__).resolve().parents[3] / "evals" / "stack_traces" / "recorded"
TRACES: dict[tuple[str, str], list[str]] = {
    (path.stem, kind): texts
    for path in sorted(RECORDED.glob("*.json"))
    for kind, texts in json.loads(path.read_text(encoding="utf-8")).items()
}


def key(stack: str, *, message: str = "it failed", error_type: str | None = None) -> str:
    return fingerprint(source="shop", error_type=error_type, message=message, stack_trace=stack).key


def behind_a_log(text: str) -> str:
    return "\n".join(
        f"2026-11-0{1 + n % 9} 10:00:{n % 60:02} ERROR web.{n % 7} | {line}" for n, line in enumerate(text.split("\n"))
    )


def test_there_are_many_errors_in_many_languages() -> None:
    assert len(TRACES) >= 100
    assert len({language for language, _ in TRACES}) >= 10


@pytest.mark.parametrize("trace", TRACES, ids="-".join)
def test_other_values_line_numbers_and_releases_are_the_same_error(trace: tuple[str, str]) -> None:
    texts = TRACES[trace]
    assert len({key(text) for text in texts}) == 1
    assert len({fingerprint(source="", error_type=None, message=text).key for text in texts}) == 1


def test_different_errors_are_different_groups() -> None:
    keys = {key(texts[0]): trace for trace, texts in TRACES.items()}
    assert len(keys) == len(TRACES)
    messages = {fingerprint(source="", error_type=None, message=texts[0]).key for texts in TRACES.values()}
    assert len(messages) == len(TRACES)


@pytest.mark.parametrize("trace", [t for t in TRACES if t[0] in {"python", "java", "javascript"}], ids="-".join)
def test_frames_behind_a_log_prefix_are_read(trace: tuple[str, str]) -> None:
    text = TRACES[trace][0]
    assert read_stack_trace(behind_a_log(text)) == read_stack_trace(text)


CAUSES = [
    "Connection refused", "Connection timed out", "Connection reset by peer", "No route to host",
    "Network is unreachable",
    "Broken pipe", "Name or service not known", "Temporary failure in name resolution", "Permission denied",
    "No space left on device", "Disk quota exceeded", "Too many open files", "Read-only file system",
    "No such file or directory", "Is a directory", "Input/output error", "Cannot allocate memory",
    "Resource temporarily unavailable", "Address already in use", "certificate has expired", "deadlock detected",
    "too many clients already", "authentication failed", "duplicate key", "protocol error", "Stale file handle",
]  # fmt: skip
SAME_FRAME = 'Traceback (most recent call last):\n  File "/srv/a.py", line 9, in call\n    send()\nOSError: {}\n'


def test_the_same_frame_with_another_cause_is_another_error() -> None:
    assert len({key(SAME_FRAME.format(cause)) for cause in CAUSES}) == len(CAUSES) == 26
    frames_only = SAME_FRAME.rpartition("OSError")[0]
    assert len({key(frames_only, message=cause, error_type="OSError") for cause in CAUSES}) == 26


NET = """System.InvalidOperationException: Order {n} failed
 ---> System.IO.IOException: {cause}
   at Shop.Disk.<WriteAsync>d__{n}.MoveNext(){pdb}
   --- End of inner exception stack trace ---
   at Shop.Order.Pay(String id){pdb}
   at System.Threading.Tasks.Task.Run()
"""
ELIXIR = """** (RuntimeError) order {n} {cause}
    (shop {n}.1.0) lib/shop/order.ex:{n}: Shop.Order.pay/2
    (stdlib 3.17) gen_server.erl:695: :gen_server.try_dispatch/4
"""
FIREFOX = (
    "TypeError: {cause}\npay@https://shop.example/assets/main.{hash}.js:{n}:17\nonclick@https://shop.example/:1:1\n"
)
SPRING = """java.lang.IllegalStateException: order {n} is open
\tat com.shop.Order$$EnhancerBySpringCGLIB$$3f{n}a.pay(<generated>)
\tat com.shop.Order.pay(Order.java:{n})
\tat com.sun.proxy.$Proxy{n}.pay(Unknown Source)
\tat com.shop.Main$$Lambda${n}/0x00000008{n}.run(Unknown Source)
Caused by: java.io.IOException: {cause}
\tat com.shop.Disk.write(Disk.kt:{n})
\t... {n} more
"""


@pytest.mark.parametrize("form", [NET, ELIXIR, FIREFOX, SPRING])
def test_formats_of_languages_that_are_not_recorded(form: str) -> None:
    def of(n: int, cause: str = "disk full") -> str:
        return key(form.format(n=n, cause=cause, pdb=" in C:\\b1\\Order.cs:line 7", hash=f"{n}ab34cd"))

    assert of(12) == of(345)
    assert of(12) != of(12, "timed out")
    assert read_stack_trace(form.format(n=1, cause="x", pdb="", hash="1")).frames


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("main.3f2a1b9c.js", "main.77aa01fe.js"),
        ("index-DfG3xK_1.js", "index-Zq81mmPa.js"),
        ("index-BxKqWmZa.js", "index-QwErTyUi.js"),
        ("app.js?v=17", "app.js?v=18"),
    ],
)
def test_names_of_bundles_do_not_count(one: str, other: str) -> None:
    form = "Error: lost\n    at pay (https://shop.example/{}:1:2)\n"
    assert key(form.format(one)) == key(form.format(other))
