"""XML-RPC to supervisord, one new connection per call, and the kernel's view of a local process.

supervisor's own transport has no timeout, reads without bound and is broken for ever after a failed
connect, so the calls are made with the standard library: the same protocol in a few lines.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import socket
import xmlrpc.client
from dataclasses import dataclass
from typing import NoReturn
from xml.parsers.expat import ExpatError

from opsteward.core.blocking_calls import in_waiting_thread
from opsteward.core.errors import AuthFailed, BadReply, Timeout
from opsteward.core.http_client import REGISTERED_SYSTEMS, resolve_host, unreachable
from opsteward.integrations.supervisor.config import SupervisorConfig

_MAX_REPLY = 4 * 1024 * 1024
_TAIL_BYTES = 4096

# supervisord's own fault codes that we distinguish
BAD_NAME = 10
SPAWN_ERROR = 50  # it ended at once: its state says the rest
ALREADY_STARTED = 60
NOT_RUNNING = 70


@dataclass(frozen=True, kw_only=True)
class ProcessInfo:
    """A process as supervisord sees it. Times are its epoch seconds (0: never); `pid` is 0 when not running."""

    name: str  # as supervisord's calls take it: `name`, or `group:name` where they differ
    statename: str
    pid: int
    start: int
    stop: int
    exitstatus: int
    spawnerr: str
    description: str


class SupervisorClient:
    """Raises only ConnectorError subclasses; a fault is a BadReply with `extra["fault"]`, its code."""

    def __init__(self, config: SupervisorConfig) -> None:
        self._config = config

    async def all_processes(self) -> list[ProcessInfo]:
        """Every process that supervisord knows."""
        reply = await self._call("supervisor.getAllProcessInfo")
        if not isinstance(reply, list):
            raise BadReply("supervisord answered with something that is no list of processes")
        return [_process_info(raw) for raw in reply]

    async def process(self, name: str) -> ProcessInfo:
        """One process now. Raises BadReply with fault BAD_NAME for an unknown name."""
        return _process_info(await self._call("supervisor.getProcessInfo", name))

    async def begin_stop(self, name: str) -> None:
        """Ask for the stop and don't wait; one that does not run (any more) is fine."""
        await self._tolerating({NOT_RUNNING}, "supervisor.stopProcess", name, False)

    async def begin_start(self, name: str) -> None:
        """Ask for the start and don't wait; one that runs already is fine, and one that fails shows in its state."""
        await self._tolerating({ALREADY_STARTED, SPAWN_ERROR}, "supervisor.startProcess", name, False)

    async def last_output(self, name: str) -> str:
        """The last 4 KB of its stderr, of its stdout where it has none; empty where XML can't carry it."""
        for method in ("supervisor.tailProcessStderrLog", "supervisor.tailProcessStdoutLog"):
            try:
                reply = await self._call(method, name, 0, _TAIL_BYTES)
            except BadReply:
                continue
            if isinstance(reply, list) and reply and str(reply[0]).strip():
                return str(reply[0])[-_TAIL_BYTES:]
        return ""

    async def server_pid(self) -> int:
        """supervisord's own pid, the parent of all its processes."""
        return int(str(await self._call("supervisor.getPID")))

    async def version(self) -> str:
        """supervisord's version, e.g. "4.3.0"."""
        return str(await self._call("supervisor.getSupervisorVersion"))

    async def _tolerating(self, faults: set[int], method: str, *params: str | int | bool) -> None:
        try:
            await self._call(method, *params)
        except BadReply as exc:
            if exc.extra.get("fault") not in faults:
                raise

    async def _call(self, method: str, *params: str | int | bool) -> object:
        limit = self._config.settings.timeout_seconds
        try:
            async with asyncio.timeout(limit):
                address = ""
                if not self._config.socket_path:
                    found = await resolve_host(self._config.host, self._config.port, REGISTERED_SYSTEMS)
                    address = found[0][1]
                # The thread ends by its socket's timeout even when we stop waiting for it.
                return await in_waiting_thread(self._call_blocking, address, method, params)
        except TimeoutError:
            raise Timeout(f"supervisord did not answer {method} within {limit:g} s") from None

    def _call_blocking(self, address: str, method: str, params: tuple[str | int | bool, ...]) -> object:
        config = self._config
        limit = config.settings.timeout_seconds
        connection = (
            _UnixConnection(config.socket_path, limit)
            if config.socket_path
            else http.client.HTTPConnection(address, config.port, timeout=limit)
        )
        headers = {"Content-Type": "text/xml", "User-Agent": "opsteward"}
        if config.host:
            headers["Host"] = f"{config.host}:{config.port}"
        if config.credentials.username:
            login = f"{config.credentials.username}:{config.credentials.password.get_secret_value()}"
            headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
        try:
            connection.request("POST", "/RPC2", xmlrpc.client.dumps(params, method).encode(), headers)
            response = connection.getresponse()
            body = response.read(_MAX_REPLY + 1)
        except TimeoutError:
            raise
        except PermissionError:
            raise unreachable("permission", "We may not open supervisord's socket") from None
        except OSError as exc:
            reason = exc.strerror or "connection failed"
            raise unreachable("tcp", f"No connection to supervisord: {reason}") from None
        except http.client.HTTPException:
            raise BadReply("supervisord did not answer in valid HTTP") from None
        finally:
            connection.close()
        return _value(method, response.status, body)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket, with a timeout."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _value(method: str, status: int, body: bytes) -> object:
    """The call's value. Raises AuthFailed or BadReply."""
    if status in {401, 403}:
        raise AuthFailed("supervisord refused our user name and password", extra={"kind": "auth"})
    if status != 200:
        raise BadReply(f"supervisord answered {method} with HTTP status {status}")
    if len(body) > _MAX_REPLY:
        raise BadReply(f"supervisord answered {method} with more than {_MAX_REPLY} bytes")
    try:
        values, _ = xmlrpc.client.loads(body)
    except xmlrpc.client.Fault as fault:
        _raise_fault(method, fault)
    except (ExpatError, xmlrpc.client.ResponseError, ValueError, TypeError, LookupError, AttributeError):
        # The standard library's unmarshaller fails in all these ways on XML that is no XML-RPC.
        raise BadReply(f"supervisord answered {method} with something that is no XML-RPC") from None
    return values[0] if values else None


def _raise_fault(method: str, fault: xmlrpc.client.Fault) -> NoReturn:
    text = str(fault.faultString)[:300]
    raise BadReply(f"supervisord refused {method}: {text}", extra={"fault": int(fault.faultCode)})


def _process_info(raw: object) -> ProcessInfo:
    try:
        if not isinstance(raw, dict):
            raise TypeError("no structure")
        name, group = str(raw["name"]), str(raw["group"])
        return ProcessInfo(
            name=name if name == group else f"{group}:{name}",
            statename=str(raw["statename"]),
            pid=int(str(raw["pid"])),
            start=int(str(raw["start"])),
            stop=int(str(raw["stop"])),
            exitstatus=int(str(raw["exitstatus"])),
            spawnerr=str(raw["spawnerr"]),
            description=str(raw["description"]),
        )
    except (KeyError, TypeError, ValueError):
        raise BadReply("supervisord described a process in a way we don't know") from None


def is_halted(info: ProcessInfo, *, parent_pid: int) -> bool | None:
    """Whether the kernel holds this local process stopped (SIGSTOP: state T). None: it can't be seen from here.

    The pid is believed only when it is supervisord's child and began when supervisord says: pids are
    used again, and a supervisord in a container counts its own.
    """
    import psutil

    try:
        process = psutil.Process(info.pid)
        ours = process.ppid() == parent_pid and abs(process.create_time() - info.start) <= 5
        return process.status() == psutil.STATUS_STOPPED if ours else None
    except psutil.Error:
        return None
