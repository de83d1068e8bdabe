"""`make setup` on ordinary and on odd machines, after interruptions, and where it can't do its work."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from installation.checkout import ROOT, Checkout

READY = "1.0 1.0 0.1"


def test_it_installs_what_is_locked_and_then_has_nothing_to_do(checkout: Checkout) -> None:
    said = checkout.make()
    assert "Making .venv with Python" in said
    assert "Installing 3 packages of requirements.lock" in said
    assert "Opsteward is ready in .venv" in said
    assert checkout.versions() == READY
    assert checkout.make() == ""


def test_a_changed_lock_is_installed_over_the_old_one(ready: Checkout) -> None:
    for lock in ready.folder.glob("*.lock"):
        lock.write_text(ready.lock("shape[email]==2.0", "helper==1.0", "dependant==1.0"))
    assert "Making" not in ready.make()
    assert ready.versions() == "2.0 1.0 0.1"


def test_an_odd_machine_changes_nothing(checkout: Checkout, tmp_path: Path) -> None:
    """Settings for other installations, modules of another project, a strict umask, a home that is not there."""
    modules = tmp_path / "modules"
    modules.mkdir()
    for name in ("json", "pip", "subprocess", "venv"):
        (modules / f"{name}.py").write_text("raise SystemExit('of another project')\n")
    constraint = tmp_path / "constraint.txt"
    constraint.write_text("shape==2.0\n")
    settings = tmp_path / "pip.conf"
    settings.write_text(f"[global]\nconstraint = {constraint}\n[install]\nuser = true\nno-binary = :all:\n")
    checkout.variables = {
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "PIP_CONFIG_FILE": str(settings),
        "PIP_PREFIX": str(tmp_path / "elsewhere"),
        "PIP_QUIET": "3",
        "PIP_REQUIRE_VIRTUALENV": "1",
        "PIP_TARGET": str(tmp_path / "elsewhere"),
        "PIP_USER": "1",
        "PYTHONHOME": "/nonexistent",
        "PYTHONPATH": str(modules),
        "PYTHONWARNINGS": "error",
        "VIRTUAL_ENV": str(tmp_path / "another"),
        "CONDA_PREFIX": str(tmp_path / "another"),
    }
    before = os.umask(0o077)
    try:
        checkout.make()
    finally:
        os.umask(before)
    assert checkout.versions() == READY
    assert not (tmp_path / "elsewhere").exists()


def _only_a_skeleton(venv: Path) -> None:
    """As left by the first moments of making it."""
    for path in sorted(venv.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    (venv / "bin").mkdir()


def _without_pip(venv: Path) -> None:
    for path in venv.glob("lib/*/site-packages/pip"):
        path.rename(path.with_name("away"))


def _half_a_package(venv: Path) -> None:
    """As left by an end in the middle of installing: pip would take the package for installed."""
    (venv / ".setup.json").unlink()
    for path in venv.glob("lib/*/site-packages/shape.py"):
        path.unlink()


def _python_is_gone(venv: Path) -> None:
    for path in (venv / "bin").glob("python*"):
        path.unlink()
    (venv / "bin" / "python").symlink_to("/nonexistent/python3")


def _its_place_was_another(venv: Path) -> None:
    stamp = venv / ".setup.json"
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "root": "/somewhere/else"}))


@pytest.mark.parametrize("damage", [_only_a_skeleton, _half_a_package])
def test_a_damaged_environment_is_made_anew(ready: Checkout, damage: Callable[[Path], None]) -> None:
    damage(ready.folder / ".venv")
    assert "Making .venv anew" in ready.make()
    assert ready.versions() == READY


def _the_set_up() -> Any:
    """Its program as a module."""
    spec = spec_from_file_location("setup_venv", ROOT / "tools" / "setup_venv" / "__main__.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("damage", [None, _without_pip, _python_is_gone, _its_place_was_another])
def test_an_environment_of_no_use_is_found_out_and_cleared(
    ready: Checkout, damage: Callable[[Path], None] | None, tmp_path: Path
) -> None:
    """Damaged, or with its folder moved. It is made anew then as after any other damage, which takes seconds."""
    if damage is not None:
        damage(ready.folder / ".venv")
    setup_venv = _the_set_up()
    setup_venv.ROOT = ready.folder if damage else ready.folder.rename(tmp_path / "moved")
    setup_venv.VENV = setup_venv.ROOT / ".venv"
    setup_venv.PYTHON, setup_venv.STAMP = setup_venv.VENV / "bin" / "python", setup_venv.VENV / ".setup.json"
    assert setup_venv.read_stamp() == {}
    setup_venv.clear_environment()
    assert list(setup_venv.VENV.iterdir()) == []


@pytest.mark.parametrize("sign", ["pyvenv.cfg", "lib/*/site-packages/pip", "lib/*/site-packages/shape.py"])
def test_it_can_be_killed_and_repeated(checkout: Checkout, sign: str) -> None:
    process = checkout.start()
    deadline = time.monotonic() + 120
    while not list((checkout.folder / ".venv").glob(sign)) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    checkout.make()
    assert checkout.versions() == READY


def test_two_at_once_do_not_mix(checkout: Checkout) -> None:
    first, second = checkout.start(), checkout.start()
    said = [process.communicate(timeout=300)[0] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), said
    assert sum("Making .venv" in one for one in said) == 1
    assert checkout.versions() == READY


def test_no_network_is_said_with_its_remedy(checkout: Checkout) -> None:
    checkout.variables = {
        "PIP_NO_INDEX": "",
        "PIP_FIND_LINKS": "",
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "1",
    }
    status, said = checkout.try_make()
    assert status != 0
    assert "Set-up failed. The package index can't be reached. Check the network" in said
    assert "Traceback" not in said


def test_a_package_that_is_another_is_refused(checkout: Checkout) -> None:
    lock = checkout.folder / "requirements.lock"
    lock.write_text("\n".join(f"{line.split(' --hash')[0]} --hash=sha256:{'0' * 64}" for line in lock.open()) + "\n")
    status, said = checkout.try_make()
    assert status != 0
    assert "A package is not the one that was locked" in said


def test_what_is_no_environment_is_not_removed(checkout: Checkout) -> None:
    mine = checkout.folder / ".venv" / "thesis.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    status, said = checkout.try_make()
    assert status != 0
    assert "is no Python environment. Move it away" in said
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("python", ["/nonexistent/python3", "false"])
def test_a_missing_python_is_said_with_its_remedy(checkout: Checkout, python: str) -> None:
    checkout.variables = {"PYTHON": python}
    status, said = checkout.try_make()
    assert status != 0
    assert "Opsteward needs Python 3.11 or newer" in said
    assert "apt install python3 python3-venv" in said


def test_a_python_without_venv_is_said_with_its_remedy(checkout: Checkout, tmp_path: Path) -> None:
    """As Debian's is without the package python3-venv."""
    python = tmp_path / "python3"
    hide = (
        "import runpy, sys; find = sys.meta_path[:];"
        "sys.meta_path[:] = [type('Hides', (), {'find_spec': staticmethod(lambda name, path=None, target=None:"
        " None if name == 'ensurepip' else next((s for f in find if (s := f.find_spec(name, path, target))), None))})];"
    )
    python.write_text(
        f'#!/bin/sh\ncase "$*" in *setup_venv*) exec {sys.executable} -I -c "{hide}'
        'sys.argv = sys.argv[2:]; runpy.run_path(sys.argv[0], run_name=\'__main__\')" "$@";; '
        f'*) exec {sys.executable} "$@";; esac\n'
    )
    python.chmod(0o755)
    checkout.variables = {"PYTHON": str(python)}
    status, said = checkout.try_make()
    assert status != 0
    assert "lacks the venv module. On Debian or Ubuntu: apt install python3" in said
