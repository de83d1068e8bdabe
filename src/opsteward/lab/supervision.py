"""The process supervisor of the shop: a real supervisord, configured, started, asked and stopped.

A crashed shop stays down (`autorestart=false`): somebody has to act. That is what the lab is for.
"""

from __future__ import annotations

import base64
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from contextlib import suppress
from pathlib import Path
from typing import Any, TypedDict

from opsteward.core.errors import Unavailable
from opsteward.lab.folder import LabFacts, LabFolder, write_private
from opsteward.lab.pidfiles import end_by_pidfile, process_of_pidfile, wait_gone, write_pidfile

USERNAME = "operator"
SHOP, TRAFFIC = "shop", "traffic"
_UP_WITHIN = 10.0  # seconds for supervisord to answer
_DOWN_WITHIN = 6.0  # seconds for it to stop its programs (each has 1 s) and itself
_CALL_TIMEOUT = 10.0  # seconds; starting a program takes its startsecs

# Paths are relative to the home, in which supervisord runs, or come in through the environment: as text they
# could hold what has a meaning here.
_CONFIG = """\
[unix_http_server]
file=%(ENV_LAB_SOCKET)s
chmod=0700
username={username}
password={password}

[supervisord]
nodaemon=true
{user}logfile=log/supervisord.log
logfile_maxbytes=2MB
logfile_backups=1
childlogdir=log
pidfile=run/supervisord.pid

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[program:shop]
command="%(ENV_LAB_PYTHON)s" -P -m opsteward.lab.shop .
autostart=true
autorestart=false
startsecs=1
startretries=0
stopwaitsecs=1
redirect_stderr=true
stdout_logfile=log/shop.log
stdout_logfile_maxbytes=2MB
stdout_logfile_backups=1

[program:traffic]
command="%(ENV_LAB_PYTHON)s" -P -m opsteward.lab.traffic .
autostart=false
autorestart=true
startsecs=1
stopwaitsecs=1
redirect_stderr=true
stdout_logfile=log/traffic.log
stdout_logfile_maxbytes=2MB
stdout_logfile_backups=1
"""
_PROGRAM = """
[program:{name}]
command="%(ENV_LAB_PYTHON)s" -P -m opsteward.lab.{module}
autostart=true
autorestart=false
startsecs=1
startretries=0
stopwaitsecs=1
redirect_stderr=true
stdout_logfile=log/{name}.log
stdout_logfile_maxbytes=2MB
stdout_logfile_backups=1
"""
GATEWAY, NAMES, JOBS_API, JOBS_WORKER = "gateway", "names", "jobs-api", "jobs-worker"
#: Of the whole lab: their modules with arguments.
_FURTHER = {GATEWAY: "gateway .", NAMES: "names .", JOBS_API: "jobs . api", JOBS_WORKER: "jobs . worker"}
PROGRAMS = (SHOP, *_FURTHER)


class ProgramInfo(TypedDict):
    """The part of supervisord's view of a program that is used here; `start` in epoch seconds."""

    statename: str
    pid: int
    start: int


class Supervisor:
    """supervisord of one lab. Each call uses a connection of its own."""

    def __init__(self, folder: LabFolder, facts: LabFacts) -> None:
        self._folder = folder
        self._facts = facts
        self._pidfile = folder.run / "supervisord.json"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start supervisord, which starts the shop. Raises Unavailable if it won't come up."""
        config = self._folder.home / "supervisord.conf"
        # root must be named as the user, or supervisord warns of it
        user = "user=root\n" if os.geteuid() == 0 else ""
        further = _FURTHER if self._facts.whole else {}
        write_private(
            config,
            _CONFIG.format(username=USERNAME, password=self._facts.supervisor_password, user=user)
            + "".join(_PROGRAM.format(name=name, module=module) for name, module in further.items()),
        )
        environment = {
            **os.environ,
            "LAB_SOCKET": self._facts.supervisor_socket,
            "LAB_PYTHON": sys.executable,
            "PYTHONUNBUFFERED": "1",
        }
        with (self._folder.log / "supervisord.out").open("ab") as out:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and configuration
                [sys.executable, "-P", "-m", "supervisor.supervisord", "-n", "-c", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self._folder.home,  # the programs take it over, and find the lab there
                env=environment,
                # a Ctrl-C in the terminal must reach the lab only, which then stops things in order
                start_new_session=True,
                umask=0o077,
            )
        write_pidfile(self._pidfile, self._process.pid)
        self._wait_until_up()

    def call(self, method: str, *arguments: str | bool) -> Any:
        """One XML-RPC call. Raises Unavailable when supervisord does not answer or refuses."""
        transport = _UnixTransport(self._facts.supervisor_socket, USERNAME, self._facts.supervisor_password)
        try:
            with xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=transport) as server:
                return getattr(server, method)(*arguments)
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as problem:
            raise Unavailable(f"supervisord: {method}: {problem}") from problem

    def info(self, program: str) -> ProgramInfo:
        """supervisord's own view of a program: statename, pid, start (epoch seconds) and more."""
        info: ProgramInfo = self.call("supervisor.getProcessInfo", program)
        return info

    def restart(self, program: str) -> None:
        """Stop a program (by force after a second) and start it again."""
        with suppress(Unavailable):
            # refused when it does not run (any more), which is what we want
            self.call("supervisor.stopProcess", program)
        self.call("supervisor.startProcess", program)

    def begin_start(self, program: str) -> None:
        """Ask for the start and don't wait; what does not start shows in its state."""
        with suppress(Unavailable):
            self.call("supervisor.startProcess", program, False)

    def alive(self) -> bool:
        return process_of_pidfile(self._pidfile) is not None

    def stop(self) -> None:
        """Stop supervisord and what it started, orderly where it still listens; harmless when it is gone."""
        process = process_of_pidfile(self._pidfile)
        if process is not None:
            # what does not end by this is ended below, with its programs
            with suppress(Unavailable):
                self.call("supervisor.shutdown")
                wait_gone(process, _DOWN_WITHIN)
        end_by_pidfile(self._pidfile)
        for program in (TRAFFIC, *PROGRAMS):
            end_by_pidfile(self._folder.run / f"{program}.json", grace=1.0)
        if self._process is not None:
            self._process.wait(_DOWN_WITHIN)
            self._process = None

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + _UP_WITHIN
        while time.monotonic() < deadline:
            try:
                self.call("supervisor.getState")
            except Unavailable:
                if not self.alive():
                    break
                time.sleep(0.03)
            else:
                return
        said = (self._folder.log / "supervisord.out").read_text(errors="replace").splitlines()[-5:]
        raise Unavailable("the lab's supervisord did not come up: " + "\n".join(said))


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_CALL_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _UnixTransport(xmlrpc.client.Transport):
    """XML-RPC over a unix socket with a password and a time limit (supervisor's own transport has none)."""

    def __init__(self, path: str, username: str, password: str) -> None:
        word = base64.b64encode(f"{username}:{password}".encode()).decode()
        super().__init__(headers=[("Authorization", f"Basic {word}")])
        self._path = path

    def make_connection(self, host: object) -> http.client.HTTPConnection:
        return _UnixConnection(self._path)


def socket_folder() -> Path:
    """A new private folder with a short path: unix sockets take 100 characters, a home may be longer."""
    for parent in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - mkdtemp makes it private
        folder = Path(tempfile.mkdtemp(prefix="lab-", dir=parent))
        # supervisord first binds the path with its pid appended
        if len(str(folder / "supervisor.sock.4194304")) < 100:
            return folder
        folder.rmdir()
    raise Unavailable("no temporary folder with a path short enough for a unix socket")
