"""Hashing and signatures are not loaded by who never signs in."""

from __future__ import annotations

import subprocess
import sys


def test_they_are_imported_when_they_are_needed() -> None:
    modules = "opsteward.app.services", "opsteward.api.app"
    script = f"import sys, {', '.join(modules)}; print([m for m in ('argon2', 'joserfc') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
