"""What may answer in place of an instance, and what the command line makes of it; all of it real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from opsteward.cli import failures
from opsteward.cli.client import CallFailed, Client, NoInstance
from opsteward.core.running_instance import configured_url, local_url, present_home, running_url, told_in_home


@contextmanager
def answering(reply: bytes, seen: list[bytes] | None = None) -> Iterator[str]:
    """A server that gives this reply to whatever comes, and closes; `seen` takes what it was asked."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                asked = connection.recv(65536)
                if seen is not None:
                    seen.append(asked)
                connection.sendall(reply)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def http(status: str, kind: str, body: str, *headers: str) -> bytes:
    content = body.encode()
    lines = (f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(content)}", *headers, "", "")
    return "\r\n".join(lines).encode() + content


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (http("200 OK", "text/html", "<html>hello"), "is no Opsteward"),
        (http("200 OK", "application/json", '{"hello": 1}'), "is no Opsteward"),
        (http("404 Not Found", "application/json", '{"detail": "Not Found"}'), "(404) is no Opsteward"),
        (http("502 Bad Gateway", "text/html", "<html>"), "a proxy answered 502"),
        (http("302 Found", "text/html", "", "Location: https://else.example/"), "redirects to https://else.example/"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "speaks no HTTP"),
        (b"", "was closed before the answer was complete"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "was closed before the answer was complete"),
    ],
)
def test_what_is_no_instance_is_said_with_its_address(
    reply: bytes, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(reply) as url, pytest.raises(NoInstance) as refused:
        client = Client(url, "t")
        client.items_of(client.get("/api/v1/users"))
    assert said in str(refused.value)
    assert url in str(refused.value)
    assert failures.report(refused.value) == failures.NO_INSTANCE
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("status", "code"),
    [("401 x", failures.NOT_PERMITTED), ("403 x", failures.NOT_PERMITTED), ("422 x", failures.REFUSED),
     ("500 x", failures.INSTANCE_FAILED)],
)  # fmt: skip
def test_an_instances_refusal_has_its_exit_code(status: str, code: int) -> None:
    problem = '{"type": "urn:opsteward:error:x", "detail": "why not"}'
    with answering(http(status, "application/problem+json", problem)) as url, pytest.raises(CallFailed) as refused:
        Client(url, "t").get("/x")
    assert failures.report(refused.value) == code


def test_nobody_listens_and_no_address(free_port: int) -> None:
    with pytest.raises(NoInstance, match="nothing listens there"):
        Client(f"http://127.0.0.1:{free_port}", "t").get("/x")
    for wrong in ("localhost:80", "ftp://x", "http://", "http://x:99999", "http://[::1"):
        with pytest.raises(NoInstance, match="is no address"):
            Client(wrong, "t")


def test_no_tls_behind_https() -> None:
    with answering(http("400 Bad", "text/plain", "plain")) as url, pytest.raises(NoInstance, match="speaks no TLS"):
        Client(url.replace("http:", "https:"), "t").get("/x")


def test_a_proxy_of_the_environment_is_used_and_not_for_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    with answering(http("200 OK", "application/json", '{"items": []}'), seen) as proxy:
        monkeypatch.setenv("http_proxy", proxy.replace("http://", "http://ada:p%40ss@"))
        monkeypatch.delenv("no_proxy", raising=False)
        assert Client("http://ops.example/base", "t").get("/api", q="a b") == {"items": []}
        assert seen[0].startswith(b"GET http://ops.example/base/api?q=a+b HTTP/1.1\r\n")
        assert b"Proxy-Authorization: Basic YWRhOnBAc3M=" in seen[0]
    with answering(http("200 OK", "application/json", '{"items": [1]}')) as url:
        assert Client(url, "t").get("/api") == {"items": [1]}


def test_a_value_is_said_again_unless_it_may_be_a_secret() -> None:
    sent = {"name": 5, "credentials": {"password": "hidden"}}
    fields = [{"field": name, "problem": "is no text"} for name in ("name", "credentials.password")]
    assert list(failures.field_lines(fields, sent)) == ["name: 5 is no text", "credentials.password: is no text"]


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_an_instance_is_found_by_its_home_as_long_as_it_runs(tmp_path: Path) -> None:
    assert running_url(tmp_path) is None
    with told_in_home(tmp_path, "http://127.0.0.1:1234"):
        assert running_url(tmp_path) == "http://127.0.0.1:1234"
        with told_in_home(tmp_path, "http://127.0.0.1:99"):
            assert running_url(tmp_path) == "http://127.0.0.1:1234"
        assert running_url(tmp_path) == "http://127.0.0.1:1234"
    assert running_url(tmp_path) is None
    assert (tmp_path / "running").stat().st_mode & 0o077 == 0


def test_where_an_address_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPSTEWARD_URL", "OPSTEWARD_HOST", "OPSTEWARD_PORT", "OPSTEWARD_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPSTEWARD_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    source: Callable[[], tuple[str, str]] = lambda: (Client().url, Client().address.source)  # noqa: E731
    assert source() == ("http://127.0.0.1:8080", f"the default, as no instance runs in {tmp_path}")
    (tmp_path / "opsteward.toml").write_text('port = 9000\nhost = "::"\n')
    assert source() == ("http://[::1]:9000", str(tmp_path / "opsteward.toml"))
    assert configured_url() == source()
    with told_in_home(tmp_path, local_url("0.0.0.0", 7)):
        assert source() == ("http://127.0.0.1:7", f"the instance that runs in {tmp_path}")
        monkeypatch.setenv("OPSTEWARD_URL", "http://else.example/")
        assert source() == ("http://else.example", "OPSTEWARD_URL")
    assert present_home() == tmp_path
