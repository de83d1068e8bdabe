"""Makes `.venv` from a lock: what `make setup` runs, with the standard library alone.

    python3 -I tools/setup_venv runtime|dev

Does nothing where `.venv` already holds what the lock says. An environment that was left unfinished, was moved, or has
lost its Python is made anew. What goes wrong is said with its remedy, and the exit status is then 1.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

from one_at_a_time import only_one_in
from pip_progress import CommandFailed, Progress, pip_environment, run_pip, without_python_variables
from remedies import NO_VENV, NOT_AN_ENVIRONMENT, filled, remedy_for, remedy_for_os_error

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
#: What the environment holds. Removed before a change and written after it: without it the environment is unfinished.
STAMP = VENV / ".setup.json"
LOCKS = {"runtime": ROOT / "requirements.lock", "dev": ROOT / "requirements-dev.lock"}  # the second holds the first
#: What the standard library's venv makes first: a folder of nothing else was left by one that was interrupted.
SKELETON = {"bin", "include", "lib", "lib64", ".setup.json"}


class SetupFailed(Exception):
    """The set-up can't go on; the message says the remedy."""


def main(group: str) -> None:
    """Bring `.venv` to what the lock of a group says."""
    progress = Progress(sys.stdout)
    with only_one_in(ROOT, on_wait=lambda: progress.say("Another set-up is at work in this folder: waiting for it")):
        held = read_stamp()
        wanted = digest_of(LOCKS[group])
        if held.get(group) == wanted or (group == "runtime" and held.get("dev") == digest_of(LOCKS["dev"])):
            return
        if not held:
            make_environment(progress)
        STAMP.unlink(missing_ok=True)
        install(LOCKS[group], progress)
        STAMP.write_text(json.dumps({"root": str(ROOT), group: wanted}), encoding="utf-8")
        progress.say("Opsteward is ready in .venv")


def digest_of(lock: Path) -> str:
    """Changes with whatever decides about what is installed."""
    return hashlib.sha256(lock.read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()


def read_stamp() -> dict[str, str]:
    """What `.venv` holds; empty if it has to be made anew."""
    try:
        held: dict[str, str] = json.loads(STAMP.read_text(encoding="utf-8"))
        if held.get("root") != str(ROOT):  # a moved environment's programs name the old place
            return {}
        subprocess.run([PYTHON, "-I", "-c", "import pip"], check=True, capture_output=True, timeout=60)
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}
    return held


def make_environment(progress: Progress) -> None:
    """Make an empty `.venv` with this Python's own pip."""
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise SetupFailed(filled(NO_VENV, ROOT))
    version = ".".join(str(part) for part in sys.version_info[:3])
    again = " anew" if VENV.exists() else ""
    progress.say(f"Making .venv{again} with Python {version} ({sys.executable})")
    clear_environment()
    base = getattr(sys, "_base_executable", sys.executable)  # this may be run by an environment's Python
    # in two steps: venv hides why its pip could not be installed
    steps = [[base, "-I", "-m", "venv", "--without-pip", str(VENV)], [str(PYTHON), "-I", "-m", "ensurepip"]]
    for command in steps:
        done = subprocess.run(
            command,
            env=without_python_variables(),
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        if done.returncode:
            raise CommandFailed("python -m venv", done.stdout.splitlines())


def clear_environment() -> None:
    """Empty `.venv`, unless it is something else."""
    if not VENV.exists():
        VENV.unlink(missing_ok=True)  # a link that leads nowhere
        return
    names = {entry.name for entry in VENV.iterdir()} if VENV.is_dir() else {VENV.name}
    if "pyvenv.cfg" not in names and not names <= SKELETON:
        raise SetupFailed(NOT_AN_ENVIRONMENT.format(path=VENV))
    STAMP.unlink(missing_ok=True)
    # pyvenv.cfg last: what is left by an interruption is still known as an environment
    for entry in sorted(VENV.iterdir(), key=lambda entry: entry.name == "pyvenv.cfg"):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def install(lock: Path, progress: Progress) -> None:
    """Install a lock as it stands, then Opsteward itself from this folder."""
    environment = pip_environment(PYTHON)
    packages = sum(1 for line in lock.read_text(encoding="utf-8").splitlines() if line[:1].isalnum())
    progress.say(f"Installing {packages} packages of {lock.name}; a minute or two the first time")
    run_pip(PYTHON, ["--no-deps", "--require-hashes", "-r", lock.name], environment, progress, packages=packages)
    run_pip(PYTHON, ["--no-deps", "--no-build-isolation", "-e", "."], environment, progress)
    keep_paths_in_ascii()
    compile_sources()


def compile_sources() -> None:
    """Compile Opsteward as pip does with what it installs: where Python may write no bytecode, each start would do it
    again, and takes half a second more. What can't be compiled is left as it is."""
    subprocess.run([PYTHON, "-I", "-m", "compileall", "-q", ROOT / "src"], check=False, capture_output=True)


def keep_paths_in_ascii() -> None:
    """Write this folder's path so that Python finds it in any locale: until 3.12 a path file is read in the locale's
    encoding, and one that can't be read ends Python.
    """
    for file in VENV.glob("lib/python3*/site-packages/*.pth"):
        lines = file.read_text(encoding="utf-8").splitlines()
        if not "".join(lines).isascii():
            text = "\n".join(line if line.isascii() else f"import sys; sys.path.append({line!a})" for line in lines)
            file.write_text(f"{text}\n", encoding="ascii")


def explain(failure: str, lines: list[str] | None = None) -> int:
    """Say a failure on the error channel, with what the program said that failed."""
    print(f"\nSet-up failed. {failure}", file=sys.stderr)
    for line in lines or []:
        print(f"    {line[:300]}", file=sys.stderr)
    return 1


def run() -> int:
    """Do what the command line asks for, and answer the exit status."""
    for out in (sys.stdout, sys.stderr):
        if isinstance(out, io.TextIOWrapper):
            out.reconfigure(errors="backslashreplace")  # a folder's name that the terminal can't show
    if len(sys.argv) != 2 or sys.argv[1] not in LOCKS:
        return explain(f"Say which lock: {' or '.join(LOCKS)}.")
    try:
        main(sys.argv[1])
    except SetupFailed as failure:
        return explain(str(failure))
    except CommandFailed as failure:
        return explain(remedy_for(failure, ROOT), failure.last_words())
    except OSError as failure:
        return explain(remedy_for_os_error(failure, ROOT))
    except KeyboardInterrupt:
        print("\nInterrupted. `make setup` starts it again; what was fetched is kept.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(run())
