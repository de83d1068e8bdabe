"""A small checkout with the real Makefile and set-up, and the commands that try it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from support.wheels import lock_of

ROOT = Path(__file__).parents[2]

#: Builds the editable wheel of a small checkout without any other package.
BACKEND = """
import sys
from pathlib import Path

def build_editable(folder, config_settings=None, metadata_directory=None):
    sys.path.insert(0, {tests!r})
    from support.wheels import write_wheel
    return write_wheel(Path(folder), "opsteward", "0.1", editable=Path.cwd()).name
"""


@dataclass
class Checkout:
    """A folder with the real Makefile and set-up, and small locks."""

    folder: Path
    index: Path
    home: Path
    variables: dict[str, str] = field(default_factory=dict)

    def environment(self) -> Mapping[str, str]:
        """Variables of a machine that reaches nothing but the small index."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        reach = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": self.index.as_uri(), "PYTHON": sys.executable}
        return {**kept, "HOME": str(self.home), **reach, **self.variables}

    def start(self, target: str = "setup") -> subprocess.Popen[str]:
        """Start make, in a process group of its own."""
        return subprocess.Popen(
            ["make", target],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def make(self, target: str = "setup") -> str:
        """Run make, which has to do well, and answer what it said."""
        status, said = self.try_make(target)
        assert status == 0, said
        return said

    def try_make(self, target: str = "setup") -> tuple[int, str]:
        """Run make, and answer its status and what it said."""
        process = self.start(target)
        said, _ = process.communicate(timeout=300)
        return process.returncode, said

    def lock(self, *requirements: str) -> str:
        """A lock for packages of the small index."""
        return lock_of(self.index, *requirements)

    def versions(self) -> str:
        """What the environment's own Python finds of the two locked packages and of the checkout's."""
        asked = "import shape, helper, opsteward; print(shape.version, helper.version, opsteward.version)"
        python = self.folder / ".venv" / "bin" / "python"
        return subprocess.run(
            [python, "-I", "-c", asked], env={"LC_ALL": "C"}, capture_output=True, text=True, check=True
        ).stdout.strip()


def new_checkout(parent: Path, index: Path) -> Checkout:
    """A small checkout, in a folder with spaces and an accent in its name."""
    folder, home = parent / "a chéck out", parent / "home"
    folder.mkdir()
    home.mkdir()
    shutil.copytree(ROOT / "tools", folder / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "backend.py").write_text(BACKEND.format(tests=str(ROOT / "tests")))
    (folder / "opsteward.py").write_text('version = "0.1"\n')
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "opsteward"\nversion = "0.1"\n'
    )
    small = Checkout(folder, index, home)
    for name in ("requirements.lock", "requirements-dev.lock"):
        (folder / name).write_text(small.lock("shape[email]==1.0", "helper==1.0", "dependant==1.0"))
    return small
