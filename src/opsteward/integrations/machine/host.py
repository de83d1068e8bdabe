"""The machine as a whole: processors, memory, open files, processes ended for lack of memory, and the clock."""

from __future__ import annotations

import asyncio
import os
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import ConnectorError, Timeout
from opsteward.core.http_client import REGISTERED_SYSTEMS, resolve_host

_BETWEEN_LOOKS = 0.2  # seconds
_SINCE_1900 = 2_208_988_800
#: The kernel counts from its start: what is new is what came since our last look.
_oom_kills_before: dict[str, int] = {}


@dataclass(frozen=True, kw_only=True)
class Host:
    """Shares in percent. `oom_kills` since our last look; `clock_offset_seconds` is None where nobody tells the time,
    above 0 where our clock is behind."""

    load_per_cpu: float
    cpu_percent: float
    memory_available_percent: float
    swap_used_percent: float
    open_files_percent: float
    oom_kills: int
    clock_offset_seconds: float | None
    pressure: dict[str, float]


async def look_at_host(time_server: str, timeout: float) -> Host:
    """Raises Timeout."""
    try:
        async with asyncio.timeout(timeout):
            offset = await _clock_offset(time_server, timeout / 2) if time_server else None
            return await in_thread(_look, offset)
    except TimeoutError:
        raise Timeout(f"this machine could not be read within {timeout:g} s") from None


def _look(offset: float | None) -> Host:
    import psutil

    psutil.cpu_percent()
    time.sleep(_BETWEEN_LOOKS)
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    return Host(
        load_per_cpu=round(os.getloadavg()[0] / (os.cpu_count() or 1), 2),
        cpu_percent=psutil.cpu_percent(),
        memory_available_percent=round(100 * memory.available / memory.total, 2),
        swap_used_percent=swap.percent,
        open_files_percent=_open_files(),
        oom_kills=new_oom_kills(_text("/proc/vmstat"), _text("/proc/sys/kernel/random/boot_id")),
        clock_offset_seconds=offset,
        pressure={name: _pressure(_text(f"/proc/pressure/{name}")) for name in ("cpu", "memory", "io")},
    )


def new_oom_kills(vmstat: str, boot: str) -> int:
    """Processes that the kernel ended for lack of memory since the last look; none at the first."""
    counted = next((int(line.split()[1]) for line in vmstat.splitlines() if line.startswith("oom_kill ")), 0)
    before = _oom_kills_before.get(boot, counted)
    _oom_kills_before[boot] = counted
    return max(0, counted - before)


def _open_files() -> float:
    fields = _text("/proc/sys/fs/file-nr").split()
    return round(100 * int(fields[0]) / int(fields[2]), 3) if len(fields) == 3 and int(fields[2]) else 0.0


def _pressure(text: str) -> float:
    """The share of the last ten seconds in which something had to wait, in percent."""
    for line in text.splitlines():
        if line.startswith("some "):
            return float(line.split()[1].partition("=")[2])
    return 0.0


def _text(path: str) -> str:
    try:
        with Path(path).open(encoding="ascii", errors="replace") as file:
            return file.read(65536)
    except OSError:
        return ""


async def _clock_offset(server: str, timeout: float) -> float | None:
    """Seconds that our clock is behind, asked over SNTP; None without a usable answer."""
    host, _, port = server.rpartition(":") if server.count(":") == 1 or "]:" in server else (server, "", "123")
    try:
        address = (await resolve_host(host.strip("[]"), int(port or 123), REGISTERED_SYSTEMS))[0][1]
    except (ConnectorError, ValueError, OverflowError):
        return None
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[bytes] = loop.create_future()
    try:
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Answer(answered), remote_addr=(address, int(port or 123))
        )
    except OSError:
        return None
    try:
        sent = time.time()
        transport.sendto(b"\x23" + bytes(47))
        async with asyncio.timeout(timeout):
            return offset_of(await answered, sent, time.time())
    except (TimeoutError, OSError):
        return None
    finally:
        transport.close()


def offset_of(answer: bytes, sent: float, received: float) -> float | None:
    """By the server's two times of an SNTP answer; None for one that tells no time."""
    if len(answer) < 48 or answer[0] & 7 != 4 or answer[1] == 0:
        return None
    there, back = (_instant(answer[at : at + 8]) for at in (32, 40))
    return round(((there - sent) + (back - received)) / 2, 4)


def _instant(raw: bytes) -> float:
    seconds, fraction = struct.unpack("!II", raw)
    return float(seconds - _SINCE_1900 + fraction / 2**32)


class _Answer(asyncio.DatagramProtocol):
    def __init__(self, answered: asyncio.Future[bytes]) -> None:
        self._answered = answered

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self._answered.done():
            self._answered.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._answered.done():
            self._answered.set_exception(exc)
