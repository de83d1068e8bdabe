"""The locks pin every version with a hash, and name no index and no address."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from source_tree import ROOT

LOCKS = sorted(ROOT.glob("requirements*"))
PINNED = re.compile(r"[a-z0-9][a-z0-9.-]*(\[[a-z0-9,-]+\])?==[^\s;]+( ; .+)?")


def faults(lock: str) -> Iterator[str]:
    """Lines that are no pinned requirement, and requirements without a hash."""
    for requirement in lock.replace("\\\n", " ").splitlines():
        text = requirement.strip()
        if not text or text.startswith("#"):
            if "://" in text:
                yield text
            continue
        name, *hashes = re.split(r"\s+--hash=", text)
        if not PINNED.fullmatch(name.strip()) or not hashes:
            yield text[:80]
        yield from (one for one in hashes if not re.fullmatch(r"sha256:[0-9a-f]{64}\s*", one))


def test_there_are_locks() -> None:
    assert len(LOCKS) >= 2


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_locks_are_pinned_and_name_no_index(path) -> None:  # type: ignore[no-untyped-def]
    assert list(faults(path.read_text(encoding="utf-8"))) == []


HASH = "--hash=sha256:" + "0" * 64


def test_a_good_requirement_passes() -> None:
    assert list(faults(f"rich==15.0 \\\n    {HASH} \\\n    {HASH}\n")) == []
    assert list(faults(f'tzdata==2026.1 ; sys_platform == "win32" \\\n    {HASH}\n')) == []


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://packages.example/simple",
        "--extra-index-url https://packages.example/simple",
        "--find-links wheels",
        "-i https://packages.example/simple",
        f"rich @ https://packages.example/rich.whl {HASH}",
        f"rich>=15 {HASH}",
        "rich==15.0",
        "rich==15.0 --hash=md5:00",
        "# made from https://packages.example/simple",
    ],
)
def test_a_bad_line_is_found(line: str) -> None:
    assert list(faults(line)) != []
