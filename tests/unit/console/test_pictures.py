"""What pages name is in the package: every picture in the sprite, every vendored file as it was published."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import opsteward.console

HERE = Path(opsteward.console.__file__).parent
_NAMED = re.compile(r'\bicon\("([a-z0-9_]+)"')
_LOOKS = re.compile(r'Look\(\s*"([a-z0-9_]+)"')


def test_every_picture_that_is_named_is_in_the_sprite() -> None:
    drawn = set(re.findall(r'<symbol id="([a-z0-9_]+)"', (HERE / "static/icons.svg").read_text()))
    templates = "".join(path.read_text() for path in (HERE / "templates").glob("*.html"))
    code = "".join(path.read_text() for path in HERE.rglob("*.py"))
    named = {*_NAMED.findall(templates), *_LOOKS.findall(code)}
    named |= set(re.findall(r'"([a-z0-9_]+)", "[a-z_.]+\.read"', code))  # of the navigation
    assert len(named) > 50
    assert named - drawn == set()


def test_what_others_wrote_is_unchanged() -> None:
    told = (HERE / "static/vendor/README.md").read_text()
    scripts = sorted((HERE / "static/vendor").glob("*.js"))
    assert len(scripts) == 2
    for script in scripts:
        assert hashlib.sha256(script.read_bytes()).hexdigest() in told


def test_templates_switch_no_escaping_off() -> None:
    for path in (HERE / "templates").glob("*.html"):
        assert not re.search(r"\|\s*safe\b|autoescape\s+false", path.read_text()), path.name
