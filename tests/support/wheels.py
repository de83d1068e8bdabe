"""Tiny wheels of our own, for tests of what an installer does with them."""

from __future__ import annotations

import base64
import hashlib
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path


def write_wheel(
    folder: Path,
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    extras: Sequence[str] = (),
    editable: Path | None = None,
) -> Path:
    """Write a wheel that holds one module with its version, or leads to an editable folder.

    `requires` are the texts of `Requires-Dist`.
    """
    info = f"{name}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata += [f"Provides-Extra: {extra}" for extra in extras] + [f"Requires-Dist: {text}" for text in requires]
    module = {f"{name}.pth": f"{editable}\n"} if editable else {f"{name}.py": f"version = {version!r}\n"}
    files = {
        **module,
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text.encode())}\n" for path, text in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, text in files.items():
            archive.writestr(inside, text)
    return path


def lock_of(index: Path, *requirements: str) -> str:
    """A lock of requirements such as `shape[email]==1.0`, for wheels of a folder."""
    lines = []
    for one in requirements:
        name, version = re.sub(r"\[.*\]", "", one).split("==")
        wheel = index / f"{name}-{version}-py3-none-any.whl"
        lines.append(f"{one} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    return "".join(lines)


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
