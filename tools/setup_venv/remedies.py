"""What to do about a set-up that failed, in one or two sentences."""

from __future__ import annotations

import errno
import getpass
import platform
import re
import sys
from pathlib import Path

from pip_progress import CommandFailed

DISK_FULL = (
    "The disk is full: {root} needs about 1 GB, and the folder for temporary files (TMPDIR, else /tmp) some 200 MB."
    " Free some space, then repeat."
)
NOT_WRITABLE = "{user} may not write where it must: {root}, or the folder for temporary files. Repeat as its owner."
NO_NETWORK = (
    "The package index can't be reached. Check the network, or name a mirror (PIP_INDEX_URL) or a proxy (HTTPS_PROXY);"
    " then repeat: what has been fetched is kept."
)
NO_VENV = (
    "{python} lacks the venv module. On Debian or Ubuntu: apt install {python_series}-venv; elsewhere name another"
    " Python: make setup PYTHON=/path/to/python3."
)
NOT_AN_ENVIRONMENT = "{path} is there, and is no Python environment. Move it away, then repeat."
UNKNOWN = "{program} gave up; its last words are below. `make clean setup` starts from nothing."

#: What a program said when it gave up, and the remedy; the first that is found counts.
REMEDIES = (
    (r"No space left on device|Disk quota exceeded|Errno 28\b|Errno 122\b", DISK_FULL),
    (r"Permission denied|Read-only file system|Errno 13\b|Errno 30\b", NOT_WRITABLE),
    (r"No module named '?(ensurepip|venv)\b|ensurepip is not available", NO_VENV),
    (
        r"CERTIFICATE_VERIFY_FAILED",
        "The package index shows a certificate that this machine does not trust. Name the file of your company's"
        " certificates by PIP_CERT, then repeat.",
    ),
    (
        r"DO NOT MATCH THE HASHES",
        "A package is not the one that was locked: a damaged download, or a mirror that builds its own."
        " Repeat with PIP_NO_CACHE_DIR=1; if it stays so, use another index (PIP_INDEX_URL).",
    ),
    (
        r"Retrying \(|ConnectionError|NewConnectionError|[Tt]imed out|ReadTimeout|name resolution|ProxyError|"
        r"IncompleteRead|Connection broken|Connection aborted",
        NO_NETWORK,
    ),
    (
        r"No matching distribution|Could not find a version",
        "The package index has no locked version for this machine ({machine}, Python {version}). A mirror"
        " (PIP_INDEX_URL, pip's configuration) may be behind; else use another Python: make setup PYTHON=...",
    ),
    (
        r"subprocess-exited-with-error|Failed (to build|building)|metadata-generation-failed",
        "A package has no ready-made file for this machine ({machine}, Python {version}) and could not be built."
        " Use a CPython that is ready-made everywhere, such as 3.12: make setup PYTHON=/path/to/python3.12.",
    ),
)


def remedy_for(failure: CommandFailed, root: Path) -> str:
    """What to do about a program that failed, as its own words show."""
    said = "\n".join(failure.lines)
    for pattern, remedy in REMEDIES:
        if re.search(pattern, said):
            return filled(remedy, root)
    return UNKNOWN.format(program=failure.program)


def remedy_for_os_error(failure: OSError, root: Path) -> str:
    """What to do about a file that could not be read or written."""
    if failure.errno in (errno.ENOSPC, errno.EDQUOT):
        return filled(DISK_FULL, root)
    if failure.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return filled(NOT_WRITABLE, root)
    return f"{failure}."


def filled(remedy: str, root: Path) -> str:
    """A remedy for this machine, user and checkout."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in some containers
        user = "This user"
    return remedy.format(
        root=root,
        user=user,
        machine=platform.machine(),
        python=sys.executable,
        version=platform.python_version(),
        python_series=f"python{sys.version_info[0]}.{sys.version_info[1]}",
    )
