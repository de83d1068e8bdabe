"""Fingerprints: the same for the same kind of event, in any process; different for different kinds."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsteward.events.fingerprint import TEMPLATE_LIMIT, fingerprint, mask


def key(message: str, *, source: str = "shop", error_type: str | None = None, stack: str | None = None) -> str:
    return fingerprint(source=source, error_type=error_type, message=message, stack_trace=stack).key


SAME = [
    ("timeout after 30 s", "timeout after 5 s"),
    ("user 17 not found", "user 18842 not found"),
    ("Deleting block blk_-123 of file /a/b/c.dat", "Deleting block blk_998877 of file /x/y/zz.dat"),
    ("connect to 10.0.0.1:5432 failed", "connect to 192.168.7.9:15432 failed"),
    ("connect to db1.shop.internal failed", "connect to cache.shop.internal failed"),
    ("job 6f1c3a9e-6d0f-4a57-9a4e-0d9f6a1b2c3d failed", "job 0d9f6a1b-6d0f-4a57-9a4e-6f1c3a9e2c3d failed"),
    ("mail to ann@example.com bounced", "mail to bob@example.org bounced"),
    ('column "total" does not exist', 'column "price" does not exist'),
    ("GET https://a.example/x?id=1 failed", "GET https://b.example/yy?id=22 failed"),
    ("started at 2024-01-02T03:04:05Z", "started at 2025-11-12T13:14:15.123+01:00"),
    ("Failed password for root from 10.0.0.1 port 22", "Failed password for alice from 10.9.9.9 port 1022"),
    ("login failed user=ann host=a", "login failed user=bob host=b.example.com"),
    ("read 12 bytes in 3 ms", "read 4.5 MB in 2 minutes"),
    ("Jun  3 10:11:12 worker stopped", "Dec 24 01:02:03 worker stopped"),
    ("queue sizes: 1, 2, 3", "queue sizes: 7, 8"),
    ("address 0xfee00000 is bad", "address 0x7ffde3c0 is bad"),
    (r"cannot open C:\temp\a.txt", r"cannot open D:\data\new\b.txt"),
    ("status installed curl:amd64 7.88.1-10", "status installed krb5-locales:all 1.20.1-2"),
    ("Unpacking curl (7.88.1-10) ...", "Unpacking libssl3 (3.0.11-1) ..."),
    ("previously unselected package acl.", "previously unselected package alsa-topology-conf."),
    ("role arn:aws:iam::123456789012:role/Admin denied", "role arn:aws:iam::99:role/Reader denied"),
    ("Container nginx failed liveness probe", "Container sidecar failed liveness probe"),
    ("[sda] Write Protect is off", "[sdc] Write Protect is off"),
    ('level=error msg="cannot reach db1: refused" node=a', 'level=error msg="cannot reach db22: refused" node=b'),
    ("failed to run command ‘nc’: no such file", "failed to run command ‘curl’: no such file"),
    ('10.0.0.1 - - [01/Mar/2026:10:00:00] "GET /a" 200 9', '10.9.0.1 - bob [02/Mar/2026:11:00:00] "GET /b" 200 77'),
    ("fp cr field.............0", "fp cr field.............1"),
    ("onEvent event=2 type=17", "onEvent event=0 type=3"),
    ('{"level": "error", "message": "user 1 failed", "ts": 1}', '{"message": "user 2 failed", "ts": 99}'),
]

DIFFERENT = [
    ("timeout while reading", "timeout while writing"),
    ("upstream answered with status 404", "upstream answered with status 503"),
    ("process ended with exit code 137", "process ended with exit code 1"),
    ('"GET /cart HTTP/1.1" 404 12', '"GET /cart HTTP/1.1" 500 12'),
    ("java.io.IOException: closed", "java.lang.IllegalStateException: closed"),
    ("sha256 mismatch", "md5 mismatch"),
    ("ERR_A", "ERR_B"),
    ("E_A_17", "E_B_17"),
    ('level=error msg="scrape failed" err="x"', 'level=error msg="reload failed" err="x"'),
    ('level=error msg="get failed" err="refused"', 'level=error msg="get failed" err="timed out"'),
    ('ERROR {"msg": "cart lost", "id": 1}', 'ERROR {"msg": "login lost", "id": 1}'),
    ('{"msg": "sync failed", "error": "refused"}', '{"msg": "sync failed", "error": "no space left"}'),
    ('{"msg": "a", "err": {"message": "refused", "stack": "x"}}', '{"msg": "a", "err": {"message": "denied"}}'),
    ("HTTP/2 404", "HTTP/2 503"),
    ("responded 502 in 12ms", "responded 200 in 12ms"),
    ("[GIN] 2026/03/01 - 10:00:00 | 200 | 3ms |", "[GIN] 2026/03/01 - 10:00:00 | 500 | 3ms |"),
    ("GET /a/b/c 404 12.3 ms - 12", "GET /a/b/c 500 12.3 ms - 12"),
    ("10.0.0.1 TCP_DENIED/403 12 CONNECT x:443", "10.0.0.1 TCP_MISS/200 12 CONNECT x:443"),
    ("code=exited, status=1/FAILURE", "code=exited, status=203/EXEC"),
    ("Failed with result 'exit-code'.", "Failed with result 'timeout'."),
    ("b1/<NOSRV> 0/-1/-1/-1/0 503 217 - - SC-- 1/1", "b1/<NOSRV> 0/-1/-1/-1/0 403 217 - - PR-- 1/1"),
    ('{"message": "cart failed"}', '{"message": "login failed"}'),
    ("привет мир", "прощай мир"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_variable_parts_do_not_count(one: str, other: str) -> None:
    assert mask(one) == mask(other)
    assert key(one) == key(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_happened_counts(one: str, other: str) -> None:
    assert key(one) != key(other)


def test_source_and_error_type_count() -> None:
    assert key("x failed") != key("x failed", source="billing")
    assert key("x failed") != key("x failed", error_type="OSError")
    assert key("m", source="a", error_type="b") != key("m", source="a\x00b")


PYTHON = """Traceback (most recent call last):
  File "/srv/releases/{release}/shop/views.py", line {line}, in checkout
    total(order)
  File "/usr/lib/python3.11/site-packages/django/db/models.py", line 12, in save
    raise
ValueError: bad order {line}
"""
JAVA = """java.lang.IllegalStateException: order {line}
\tat com.shop.Order.pay(Order.java:{line})
\tat com.shop.Main$$Lambda${release}/0x0000.run(Unknown Source)
\tat org.springframework.web.Servlet.run(Servlet.java:1)
"""
NODE = """TypeError: order {line}
    at Order.pay (/srv/{release}/shop/order.js:{line}:7)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)
"""
GO = "goroutine {line} [running]:\nmain.(*Order).pay(0xc0{line}, 0x1)\n\t/srv/{release}/order.go:{line} +0x1d\n"
DOTNET = "   at Shop.Order.Pay(String id) in C:\\b{release}\\Order.cs:line {line}\n"
RUBY = "/srv/{release}/order.rb:{line}:in `pay'\n\tfrom /srv/{release}/app.rb:1:in `main'\n"
PHP = "#0 /srv/{release}/order.php({line}): Order->pay(1)\n#1 {{main}}\n"


@pytest.mark.parametrize("stack", [PYTHON, JAVA, NODE, GO, DOTNET, RUBY, PHP])
def test_a_stack_trace_is_known_by_the_functions_of_the_application(stack: str) -> None:
    one, other = stack.format(release=1, line=10), stack.format(release=22, line=345)
    moved = one.replace("pay", "refund").replace("Pay", "Refund").replace("checkout", "refund")
    assert key("order 1 broke", error_type="E", stack=one) == key("order 77 broke", error_type="E", stack=other)
    assert key("order 1 broke", error_type="E", stack=one) != key("order 1 broke", error_type="E", stack=moved)
    assert key("order 1 broke", error_type="E", stack=one) != key("order 1 broke", error_type="F", stack=one)


def test_library_frames_and_the_depth_of_a_recursion_do_not_count() -> None:
    one = PYTHON.format(release=1, line=1)
    assert key("m", stack=one) == key("m", stack=one.replace("in save", "in update"))
    frame = '  File "/srv/a.py", line 1, in walk\n    walk()\n'
    assert key("m", stack=frame * 5) == key("m", stack=frame * 50)


def test_a_stack_trace_inside_the_message_is_seen() -> None:
    assert key(PYTHON.format(release=1, line=1)) == key(PYTHON.format(release=9, line=99))


def test_the_key_is_the_same_in_another_process() -> None:
    code = (
        "from opsteward.events.fingerprint import fingerprint\n"
        "print(fingerprint(source='s', error_type='E', message='user 7: \\u00e9', stack_trace=None).key)"
    )
    env = {"PYTHONHASHSEED": "4711"}
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert other.stdout.strip() == key("user 8: é", source="s", error_type="E")


@settings(deadline=None)
@given(st.text(), st.one_of(st.none(), st.text()), st.one_of(st.none(), st.text()))
def test_any_text_has_one_key(message: str, error_type: str | None, stack: str | None) -> None:
    first = fingerprint(source="s", error_type=error_type, message=message, stack_trace=stack)
    assert first == fingerprint(source="s", error_type=error_type, message=message, stack_trace=stack)
    assert len(first.key) == 32
    assert int(first.key, 16) >= 0
    assert len(first.template) <= TEMPLATE_LIMIT


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["order", "of", "customer", "failed", "after", "retry", "in", "queue"]), min_size=1),
    st.integers(0, 10**12),
    st.integers(0, 10**12),
)
def test_numbers_never_count(words: list[str], one: int, other: int) -> None:
    pattern = " {} ".join([*words, "end"])
    assert key(pattern.replace("{}", str(one))) == key(pattern.replace("{}", str(other)))


@pytest.mark.parametrize(
    "unit", ["a", "(", "\"'`", "1", "<*> ", "for user ", "at a(", 'File "x", line 1, in f\n', "f(0)\n\t", '{"a":']
)
def test_a_megabyte_of_hostile_text_costs_little(unit: str) -> None:
    text = (unit * 1_000_000)[:1_000_000]
    started = time.process_time()
    fingerprint(source=text, error_type=text, message=text, stack_trace=text)
    assert time.process_time() - started < 1.0  # it takes some milliseconds
