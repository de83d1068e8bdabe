"""A lock installs the same when newer releases are out, with the oldest pip that is supported and with the newest."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.wheels import lock_of

#: The oldest that runs on each Python.
OLDEST = "22.0" if sys.version_info < (3, 12) else "23.1.2"
PLAIN = ("shape==1.0", "helper==1.0", "dependant==1.0")
WITH_EXTRAS = ("shape[email]==1.0", "helper==1.0", "dependant==1.0")


@pytest.fixture(scope="session", params=[f"=={OLDEST}", ""], ids=["oldest", "newest"])
def pip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of pip, as a wheel that runs as it is. It comes from the machine's own package index."""
    folder = tmp_path_factory.mktemp("pip")
    fetch = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "-d", folder]
    fetched = subprocess.run([*fetch, f"pip{request.param}"], capture_output=True, text=True, check=False)
    wheels = list(folder.glob("pip-*.whl"))
    if not wheels:
        reason = f"pip{request.param} can't be fetched, so this is not tested: {fetched.stderr[-300:]}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return wheels[0]


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """The Python of an empty environment."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    return tmp_path / "env" / "bin" / "python"


def with_wheel(pip: Path, python: Path) -> None:
    """Install pip into the environment by itself."""
    command = [python, pip / "pip", "install", "--no-index", "--no-deps", pip]
    subprocess.run(command, check=True, capture_output=True)


def resolve(python: Path, lock: Path, index: Path) -> subprocess.CompletedProcess[str]:
    """Install a lock in the way that leaves pip to resolve."""
    pip = [python, "-m", "pip", "install", "--no-index", "--find-links", index, "--require-hashes", "-r", lock]
    return subprocess.run(pip, capture_output=True, text=True, check=False)


def installed(python: Path) -> dict[str, str]:
    asked = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()))"
    said = subprocess.run([python, "-I", "-c", asked], capture_output=True, text=True, check=True).stdout
    return dict(one.split("==") for one in said.split() if not one.startswith(("pip=", "setuptools=")))


def test_the_set_up_installs_what_is_locked(pip: Path, environment: Path, index: Path, tmp_path: Path) -> None:
    from pip_progress import Progress, run_pip

    with_wheel(pip, environment)
    lock = tmp_path / "a.lock"
    lock.write_text(lock_of(index, *WITH_EXTRAS))
    said = io.StringIO()
    reach = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": index.as_uri()}
    run_pip(environment, ["--no-deps", "--require-hashes", "-r", str(lock)], reach, Progress(said), packages=3)
    assert installed(environment) == {"shape": "1.0", "helper": "1.0", "dependant": "1.0"}


def test_a_lock_with_extras_resolves_to_itself(pip: Path, environment: Path, index: Path, tmp_path: Path) -> None:
    """For whoever installs the lock without --no-deps."""
    with_wheel(pip, environment)
    lock = tmp_path / "a.lock"
    lock.write_text(lock_of(index, *WITH_EXTRAS))
    done = resolve(environment, lock, index)
    assert done.returncode == 0, done.stdout + done.stderr
    assert installed(environment) == {"shape": "1.0", "helper": "1.0", "dependant": "1.0"}


def test_a_lock_without_extras_fails_an_old_pip(pip: Path, environment: Path, index: Path, tmp_path: Path) -> None:
    """What both of the above are for. Without the newer release the same lock installs."""
    if f"pip-{OLDEST}-" not in pip.name:
        pytest.skip("newer releases of pip resolve it")
    with_wheel(pip, environment)
    lock = tmp_path / "a.lock"
    lock.write_text(lock_of(index, *PLAIN))
    done = resolve(environment, lock, index)
    assert done.returncode != 0
    assert "must have their versions pinned" in done.stderr
    older = tmp_path / "before"
    older.mkdir()
    for wheel in index.glob("*-1.0-*.whl"):
        (older / wheel.name).write_bytes(wheel.read_bytes())
    assert resolve(environment, lock, older).returncode == 0
