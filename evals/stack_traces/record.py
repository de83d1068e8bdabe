"""Run the programs beside this file and record what they say when they fail.

    python evals/stack_traces/record.py [LANGUAGE...]

Each kind of error is run in three variants: as it is; with other values; and as another release, in another folder and
with other line numbers. Languages that this machine does not have are left as they were recorded. The recordings
(`recorded/<language>.json`: kind -> texts) are what the tests read, so that those need no compiler.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAMS = HERE / "programs"
# language -> (program, how it is built, how it is run); {dir} is its folder
LANGUAGES: dict[str, tuple[str, list[str], list[str]]] = {
    "python": ("app.py", [], ["python3", "{dir}/app.py"]),
    "javascript": ("app.js", [], ["node", "{dir}/app.js"]),
    "java": ("App.java", ["javac", "-d", "{dir}", "{dir}/App.java"], ["java", "-Xmx64m", "-cp", "{dir}", "App"]),
    "ruby": ("app.rb", [], ["ruby", "{dir}/app.rb"]),
    "php": ("app.php", [], ["php", "-d", "display_errors=stderr", "-d", "log_errors=0", "{dir}/app.php"]),
    "perl": ("app.pl", [], ["perl", "{dir}/app.pl"]),
    "go": ("app.go", ["go", "build", "-o", "{dir}/app", "{dir}/app.go"], ["{dir}/app"]),
    "rust": ("app.rs", ["rustc", "--edition", "2021", "-g", "-o", "{dir}/app", "{dir}/app.rs"], ["{dir}/app"]),
    "cpp": (
        "app.cpp",
        ["g++", "-g", "-o", "{dir}/app", "{dir}/app.cpp"],
        ["gdb", "-q", "-batch", "-ex", "run", "-ex", "bt", "--args", "{dir}/app"],
    ),
    "tcl": ("app.tcl", [], ["tclsh", "{dir}/app.tcl"]),
    "bash": ("app.sh", [], ["bash", "{dir}/app.sh"]),
}
_COMMENT = {"py": "#", "rb": "#", "pl": "#", "tcl": "#", "sh": "#", "php": "//"}


def kinds_of(source: str, language: str) -> list[str]:
    """The kinds that a program knows, read from its text."""
    pattern = {
        "python": r'^    "?(?:(\w+)":|.*?)',
        "java": r'case "(\w+)":',
        "ruby": r"^when '(\w+)'",
        "php": r"case '(\w+)':",
        "go": r'case "(\w+)":',
        "rust": r'^        "(\w+)" =>',
        "cpp": r'kind == "(\w+)"',
        "tcl": r"^  (\w+) \{",
        "bash": r"^  (\w+)\)",
        "perl": r"\b(\w+) => (?:sub|\\&)",
        "javascript": r"^  (\w+): \(",
    }[language]
    if language == "python":
        return re.findall(r'"(\w+)": ?(?:lambda|[a-z]\w*[,\n])', source.partition("KINDS = {")[2])
    return re.findall(pattern, source, re.MULTILINE)


def record(language: str) -> dict[str, list[str]]:
    name, build, run = LANGUAGES[language]
    source = (PROGRAMS / name).read_text(encoding="utf-8")
    texts: dict[str, list[str]] = {kind: [] for kind in kinds_of(source, language)}
    mark = _COMMENT.get(name.rpartition(".")[2], "//")
    head, shifted = ("<?php\n", source.removeprefix("<?php\n")) if language == "php" else ("", source)
    for folder, value, text in (
        ("release-1", "4711", source),
        ("release-1", "89", source),
        ("2026.11/current", "112233", head + f"{mark}\n" * 18 + shifted),
    ):
        with tempfile.TemporaryDirectory(prefix="shop-") as root:
            place = Path(root) / folder
            place.mkdir(parents=True)
            (place / name).write_text(text, encoding="utf-8")
            if build:
                subprocess.run([part.format(dir=place) for part in build], check=True, capture_output=True)
            for kind, found in texts.items():
                command = [*(part.format(dir=place) for part in run), kind, value]
                env = {"PATH": os.environ["PATH"], "HOME": "/root", "RUST_BACKTRACE": "1", "LANG": "C.UTF-8"}
                done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)
                said = done.stdout + done.stderr if language == "cpp" else done.stderr
                lines = said.replace(root, "/srv/shop").splitlines()
                if len(lines) > 120:
                    lines = lines[:60] + lines[-60:]
                found.append("\n".join(lines))
    return texts


def main(chosen: list[str]) -> None:
    (HERE / "recorded").mkdir(exist_ok=True)
    for language, (_, build, run) in LANGUAGES.items():
        if chosen and language not in chosen:
            continue
        if not all(shutil.which(part[0]) for part in (build, run) if part and "{" not in part[0]):
            print(f"{language}: not on this machine, left as it was")
            continue
        texts = record(language)
        (HERE / "recorded" / f"{language}.json").write_text(json.dumps(texts, indent=1) + "\n", encoding="utf-8")
        print(f"{language}: {len(texts)} kinds")


if __name__ == "__main__":
    main(sys.argv[1:])
