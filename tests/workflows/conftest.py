"""Homes of their own for tests that kill processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.homes import temporary_home


@pytest.fixture
def fresh_home() -> Iterator[Path]:
    """A home for one test."""
    with temporary_home() as home:
        yield home


@pytest.fixture(scope="module")
def module_home() -> Iterator[Path]:
    """A home for the tests of one module."""
    with temporary_home() as home:
        yield home
