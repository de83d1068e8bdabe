"""A plug-in is started, built, installed, found by its entry point, held to its contracts and used."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support.preloaded import command_line

_BUILD = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"


def run(*arguments: str, path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(path), "OPSTEWARD_HOME": str(path / "home"), "COLUMNS": "200"} | environment
    return command_line(list(arguments), env)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder on Python's path with the example plug-in installed from its wheel."""
    folder = tmp_path_factory.mktemp("plugin")
    made = run("plugins", "new", "acme_crm", "--folder", str(folder), path=folder)
    assert made.returncode == 0, made.stderr
    source, site = folder / "opsteward-acme-crm", folder / "site"
    built = subprocess.run(
        [sys.executable, "-c", _BUILD, str(folder)], cwd=source, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    with zipfile.ZipFile(folder / built.stdout.split()[-1]) as wheel:
        wheel.extractall(site)
    return site


def test_an_installed_plugin_is_found_checked_and_listed(site: Path) -> None:
    checked = run("plugins", "check", "acme_crm", path=site)
    assert (checked.returncode, checked.stdout) == (0, "acme_crm: sound\n"), checked.stderr
    listed = run("plugins", "list", path=site).stdout.splitlines()
    line = next(line for line in listed if line.startswith("acme_crm"))
    assert "acme-crm" in line and "opsteward-acme-crm 0.1.0" in line and line.rstrip().endswith("loaded")
    off = run("plugins", "list", path=site, OPSTEWARD_DISABLED_PLUGINS='["acme_crm"]').stdout.splitlines()
    assert next(line for line in off if line.startswith("acme_crm")).rstrip().endswith("disabled")


def test_a_plugin_that_breaks_its_contracts_is_named(site: Path, tmp_path: Path) -> None:
    (tmp_path / "broken_plugin.py").write_text(
        "from opsteward.contracts.integration import Integration\n"
        "from opsteward_acme_crm import INTEGRATION as GOOD\n"
        "BAD = Integration(slug='other', title='', checks=GOOD.checks)\n"
        "TWICE = Integration(slug='web', title='x', checks=[*GOOD.checks, *GOOD.checks])\n"
    )
    both = f"{site}{os.pathsep}{tmp_path}"
    for name, problem in (
        ("broken_plugin:BAD", "does not start with other."),
        ("broken_plugin:TWICE", "two integrations offer the check"),
        ("broken_plugin:NONE", "AttributeError"),
    ):
        checked = run("plugins", "check", name, path=tmp_path, PYTHONPATH=both)
        assert checked.returncode != 0 and problem in checked.stderr


def test_nothing_is_overwritten_and_names_are_names(tmp_path: Path) -> None:
    assert run("plugins", "new", "acme", "--folder", str(tmp_path), path=tmp_path).returncode == 0
    for name in ("acme", "Bad Name", "../x"):
        assert run("plugins", "new", name, "--folder", str(tmp_path), path=tmp_path).returncode != 0
