"""What the set-up says: how far it is, and what to do about trouble."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import pytest

#: What pip and venv said on machines in trouble, and the remedy that has to follow.
SAID = {
    "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device": "The disk is full",
    "ERROR: Could not install packages due to an OSError: [Errno 122] Disk quota exceeded: 'x'": "The disk is full",
    "Error: [Errno 13] Permission denied: '/srv/opsteward/.venv'": "may not write",
    "Error: [Errno 30] Read-only file system: '/srv/opsteward/.venv'": "may not write",
    "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'": "can't be reached",
    "WARNING: Retrying (Retry(total=4)) after 'ProxyError('Cannot connect to proxy.')'": "HTTPS_PROXY",
    "ReadTimeoutError: HTTPSConnectionPool(host='x', port=443): Read timed out.": "network",
    "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] unable to get issuer'))": "PIP_CERT",
    "ERROR: Could not find a version that satisfies the requirement rich==15.0.0 (from versions: 14.0.0)": "A mirror",
    "error: subprocess-exited-with-error\nBuilding wheel for x did not run successfully": "could not be built",
    "/usr/bin/python3: No module named ensurepip": "apt install python3",
    "something else altogether": "its last words are below",
}


@pytest.mark.parametrize(("said", "remedy"), SAID.items(), ids=lambda text: text[:30])
def test_trouble_is_said_with_its_remedy(said: str, remedy: str) -> None:
    from pip_progress import CommandFailed
    from remedies import remedy_for

    told = remedy_for(CommandFailed("pip", said.splitlines()), Path("/srv/opsteward"))
    assert remedy in told
    assert told.count(". ") <= 1, "one or two sentences"


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.ENOSPC, "The disk is full"),
        (errno.EDQUOT, "The disk is full"),
        (errno.EACCES, "may not write"),
        (errno.EROFS, "may not write"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_trouble_with_files_is_said_with_its_remedy(code: int, remedy: str) -> None:
    from remedies import remedy_for_os_error

    assert remedy in remedy_for_os_error(
        OSError(code, os.strerror(code), "/srv/opsteward/.venv"), Path("/srv/opsteward")
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_moves_on_a_terminal_and_is_rare_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    from pip_progress import Progress

    monkeypatch.setenv("TERM", "xterm")
    terminal, file = Terminal(), io.StringIO()
    for out in (terminal, file):
        progress = Progress(out)
        for number in range(500):
            progress.show(f"fetching: {number} of 500")
        progress.end()
        progress.say("done")
    assert "\r\x1b[Kfetching: 499 of 500" in terminal.getvalue()
    assert "\n" not in terminal.getvalue().removesuffix("done\n")
    assert file.getvalue() == "done\n"


def test_progress_counts_what_pip_says() -> None:
    from pip_progress import _Watch

    watch = _Watch(4, Path("/nonexistent"))
    watch.read(io.StringIO("Ignoring colorama: markers 'x' don't match\nCollecting aiohttp==3.14.5 (from -r a.lock)\n"))
    assert watch.text() == "  fetching: 1 of 3, aiohttp"
    watch.read(io.StringIO("Requirement already satisfied: attrs==1 in /x\nWARNING: Retrying (Retry(total=4)) after\n"))
    assert watch.text() == "  fetching: 2 of 3, attrs (the network fails, trying again)"
    watch.read(io.StringIO("Collecting yarl[x]==1\nInstalling collected packages: aiohttp, yarl\n"))
    assert watch.text() == "  installing: 1 of 2"
