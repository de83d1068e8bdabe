"""A file system of a few megabytes, mounted in the lab's home where we may mount one."""

from __future__ import annotations

import os
import subprocess

from opsteward.lab.folder import LabFolder

_MEGABYTES, _INODES = 8, 400


def mount(folder: LabFolder) -> bool:
    """Whether there is one now."""
    if os.geteuid() != 0:
        return False
    folder.disk.mkdir(exist_ok=True)
    options = f"size={_MEGABYTES}m,nr_inodes={_INODES},mode=0755"
    if _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder.disk)) != 0:
        return False
    (folder.disk / "cache").mkdir(exist_ok=True)
    return True


def unmount(folder: LabFolder) -> None:
    """Harmless when there is none."""
    while os.path.ismount(folder.disk) and _run("umount", str(folder.disk)) == 0:
        continue


def remount(folder: LabFolder, *, read_only: bool) -> None:
    _run("mount", "-o", f"remount,{'ro' if read_only else 'rw'}", str(folder.disk))


def _run(*words: str) -> int:
    try:
        done = subprocess.run(words, check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=10)  # noqa: S603
        return done.returncode
    except (OSError, subprocess.TimeoutExpired):
        return -1
