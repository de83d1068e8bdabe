"""Endpoints that are none: every integration refuses them by the field's name, and none crashes on one."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from real_parts import system

from opsteward.contracts.connector import SystemRef
from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import Invalid
from opsteward.core.http_client import NetworkPolicy, resolve_host
from opsteward.integrations.network.config import config_from as network_config
from opsteward.integrations.postgresql.config import config_from as postgresql_config
from opsteward.integrations.supervisor.config import config_from as supervisor_config
from opsteward.integrations.web.config import config_from as web_config

LOGIN = {"username": "ops", "password": "s3cret"}


def with_health_page(url: str) -> SystemRef:
    shop = system("http://127.0.0.1:9/")
    return SystemRef(
        id=shop.id, tenant_id=shop.tenant_id, name="shop", type="api", endpoint=shop.endpoint, health_check_url=url
    )


def refused_field(error: Invalid) -> str:
    (problem,) = error.problems
    return problem.field


@pytest.mark.parametrize("url", ["http://[::1", "http://\u2100/", "//[", "http://h:99999/", "http://h:\u0661/"])
def test_a_health_page_that_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        web_config(with_health_page(url), {})
    assert refused_field(caught.value) == "health_check_url"


@pytest.mark.parametrize("url", ["/health", "health?x=1", "http://other/health", "//other/health"])
def test_a_health_page_may_be_relative(url: str) -> None:
    assert web_config(with_health_page(url), {}).url.startswith("http://")


@pytest.mark.parametrize("port", ["%C2%B2", "%D9%A1%D9%A2", "0", "65536", "9" * 1_900, "9" * 5_000, "x", "-1", "5432x"])
def test_a_port_is_written_in_plain_digits(port: str) -> None:
    target = system(f"postgresql://h/db?port={port}")
    for config in (lambda: postgresql_config(target, LOGIN), lambda: network_config(target)):
        with pytest.raises(Invalid) as caught:
            config()
        assert refused_field(caught.value) == "endpoint"


def test_a_port_in_the_query_is_taken() -> None:
    target = system("postgresql://h/db?port=6543")
    assert postgresql_config(target, LOGIN).port == network_config(target).port == 6543


def test_status_codes_are_written_in_plain_digits() -> None:
    with pytest.raises(Invalid) as caught:
        web_config(system("http://h/", expect_status="\u0662\u0660\u0660"), {})
    assert refused_field(caught.value) == "settings.expect_status"


def test_what_is_no_socket_is_refused(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("not a socket")
    link = tmp_path / "link"
    link.symlink_to(plain)
    for path in (plain, link, tmp_path, Path("/etc/passwd"), Path(os.devnull)):
        with pytest.raises(Invalid, match="no socket") as caught:
            supervisor_config(system(f"supervisor+unix://{path}"), {})
        assert refused_field(caught.value) == "endpoint"


def test_a_socket_is_taken_and_so_is_one_to_come() -> None:
    with tempfile.TemporaryDirectory(prefix="ow") as folder, socket.socket(socket.AF_UNIX) as listener:
        path = f"{folder}/s.sock"
        assert supervisor_config(system(f"supervisor+unix://{path}"), {}).socket_path == path
        listener.bind(path)
        assert supervisor_config(system(f"supervisor+unix://{path}"), {}).socket_path == path


async def test_a_name_is_resolved_beside_a_loop_whose_own_threads_are_taken() -> None:
    """The engine makes its small pool the loop's default: neither may the other hold it up."""

    async def resolved() -> list[tuple[socket.AddressFamily, str]]:
        done = threading.Event()
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(max_workers=1) as engine:
            loop.set_default_executor(engine)
            engine.submit(done.wait)
            try:
                async with asyncio.timeout(5):
                    return await resolve_host("127.0.0.1", 80, NetworkPolicy(allow_private=True))
            finally:
                done.set()

    # on a loop of its own: a loop can't have its default executor back
    assert await in_thread(asyncio.run, resolved()) == [(socket.AF_INET, "127.0.0.1")]
