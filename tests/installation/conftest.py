"""What tests of the set-up share: its script as modules, a small index of packages, a small checkout.

The set-up under test is the real one; what it installs is small, so that its interruptions can be tried one by one.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from installation.checkout import ROOT, Checkout, new_checkout
from support.wheels import write_wheel

sys.path.insert(0, str(ROOT / "tools" / "setup_venv"))


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages in a folder: `shape` 1.0 and, published later, 2.0; `dependant`, which wants shape's extra; `helper`."""
    folder = tmp_path_factory.mktemp("index")
    for version in ("1.0", "2.0"):
        write_wheel(folder, "shape", version, requires=["helper>=1.0 ; extra == 'email'"], extras=["email"])
        write_wheel(folder, "helper", version)
    write_wheel(folder, "dependant", "1.0", requires=["shape[email]>=1.0"])
    return folder


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, index: Path) -> Checkout:
    """A small checkout that is set up."""
    one = new_checkout(tmp_path_factory.mktemp("template"), index)
    one.make()
    return one


@pytest.fixture
def checkout(tmp_path: Path, index: Path) -> Checkout:
    """A small checkout that is not set up."""
    return new_checkout(tmp_path, index)


@pytest.fixture
def ready(checkout: Checkout, template: Checkout) -> Checkout:
    """A small checkout that is set up: a copy, which is quicker made than a new one."""
    shutil.copytree(template.folder / ".venv", checkout.folder / ".venv", symlinks=True)
    stamp = checkout.folder / ".venv" / ".setup.json"
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "root": str(checkout.folder)}))
    assert checkout.make() == ""
    return checkout
