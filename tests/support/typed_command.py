"""`opsteward` for tests that type hundreds of commands into a shell: a program of that name which has a process that
imported it already fork itself, with the shell's own input, outputs, variables and folder.

Run as a program it is that process: `typed_command.py SOCKET`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CLIENT = """#!/bin/sh
'''exec' "{python}" -IS "$0" "$@"
' '''
import json, os, socket, sys
given = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
with socket.socket(socket.AF_UNIX) as to:
    to.connect({address!r})
    socket.send_fds(to, [len(given).to_bytes(8)], [0, 1, 2])
    to.sendall(given)
    code = to.recv(1)
sys.exit(code[0] if code else 70)
"""


@contextmanager
def typed_command(folder: Path) -> Iterator[Path]:
    """A folder for the shell's path with the program `opsteward`."""
    address = str(folder / "socket")
    (folder / "bin").mkdir()
    client = folder / "bin" / "opsteward"
    client.write_text(_CLIENT.format(python=sys.executable, address=address))
    client.chmod(0o755)
    server = subprocess.Popen([sys.executable, "-W", "ignore", "-m", "support.typed_command", address],
                              env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not Path(address).exists():
            assert server.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        yield folder / "bin"
    finally:
        server.terminate()
        server.wait(20)


def _serve(address: str) -> None:
    import opsteward.cli.client
    import opsteward.cli.main  # noqa: F401 - what each command would import anew

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children: they tell their end themselves
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(16)
        while True:
            asked, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _answer(asked)
            asked.close()


def _answer(asked: socket.socket) -> None:
    """In the child: the command, and its exit code to whoever typed it."""
    from opsteward.cli.main import main

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, given_fds, _, _ = socket.recv_fds(asked, 8, 3)
    with asked.makefile("rb") as stream:
        arguments, variables, folder = json.loads(stream.read(int.from_bytes(size)))
    for number, given in enumerate(given_fds):
        os.dup2(given, number)
        os.close(given)
    # anew: what was opened knows whether it was a file, a pipe or a terminal
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = ["opsteward", *arguments]
    code = 1
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        asked.sendall(bytes([code & 255]))
        os._exit(code & 255)


if __name__ == "__main__":
    _serve(sys.argv[1])
