"""The locks pin every version with a hash, lack nothing that they are installed without, and name no address."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import pytest
from lock_completeness import missing, read_lock
from source_tree import ROOT

LOCKS = sorted(ROOT.glob("requirements*"))
PINNED = re.compile(r"[a-z0-9][a-z0-9.-]*(\[[a-z0-9-]+(, [a-z0-9-]+)*\])?==[^\s;]+( ; .+)?")


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


def roots(*groups: str) -> list[str]:
    """What pyproject.toml asks for, with its groups."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = list(project["project"]["dependencies"])
    for group in groups:
        for one in project["dependency-groups"][group]:
            found += [one] if isinstance(one, str) else project["dependency-groups"][one["include-group"]]
    return found


GROUPS = {"requirements.lock": "build", "requirements-dev.lock": "dev"}


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_locks_lack_nothing(path) -> None:  # type: ignore[no-untyped-def]
    lock = read_lock(path.read_text(encoding="utf-8"))
    assert list(missing(lock, roots(GROUPS[path.name]))) == []


def test_the_lock_for_work_on_it_holds_the_one_to_run_it() -> None:
    run, work = (read_lock((ROOT / name).read_text(encoding="utf-8")) for name in GROUPS)
    assert {name: line.version for name, line in run.items()} == {name: work[name].version for name in run}


def test_a_lock_without_extras_is_found() -> None:
    text = re.sub(r"\[[a-z, -]+\]==", "==", (ROOT / "requirements.lock").read_text(encoding="utf-8"))
    found = "\n".join(missing(read_lock(text), roots("build")))
    for wish in ("pydantic[email]", "uvicorn[standard]", "sqlalchemy[asyncio]", "psycopg[binary,pool]"):
        assert f"asks for {wish}" in found


@pytest.mark.parametrize(
    ("dropped", "wish"),
    [
        ("email-validator", "pydantic asks for email-validator"),  # of an extra
        ("mako", "alembic asks for Mako"),
        ("greenlet", "sqlalchemy asks for greenlet"),
        ("structlog", "pyproject.toml asks for structlog"),
        ("hatchling", "pyproject.toml asks for hatchling"),
    ],
)
def test_a_lock_that_lacks_a_package_is_found(dropped: str, wish: str) -> None:
    lock = read_lock((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    del lock[dropped]
    assert wish in "\n".join(missing(lock, roots("build")))


def test_a_package_that_is_locked_for_another_machine_is_found() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    lock = read_lock(re.sub(r"^(mako==\S+)", r"\1 ; sys_platform == 'darwin'", text, flags=re.MULTILINE))
    assert "alembic asks for Mako, which is not locked on linux" in "\n".join(missing(lock, roots("build")))


def test_a_locked_version_that_is_not_wanted_is_found() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    lock = read_lock(re.sub(r"^setuptools==\S+", "setuptools==99", text, flags=re.MULTILINE))
    assert "pyproject.toml asks for setuptools<81" in "\n".join(missing(lock, roots("build")))


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
