"""The sources that this installation knows: the `source.yaml` of each integration's folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

from opsteward.contracts.source import SourceMapping
from opsteward.core.errors import NotFound

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_FILE = "source.yaml"


@cache
def all_sources() -> Mapping[str, SourceMapping]:
    """By slug, in the order of the alphabet."""
    import yaml

    folders = sorted(resources.files("opsteward.integrations").iterdir(), key=lambda f: f.name)
    found = {}
    for folder in folders:
        if folder.is_dir() and (file := folder / _FILE).is_file():
            mapping = SourceMapping.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
            found[mapping.slug] = mapping
    return found


@cache
def _by_name() -> Mapping[str, SourceMapping]:
    known = all_sources()
    return {alias: mapping for mapping in known.values() for alias in mapping.aliases} | dict(known)


def is_source_name(name: str) -> bool:
    """Whether a source could go by it."""
    return _NAME.fullmatch(name.casefold()) is not None


def is_shipped(slug: str) -> bool:
    """Whether something ships for it."""
    return slug in all_sources()


def slug_of(name: str) -> str:
    """The slug that an alias stands for; any other name is its own."""
    found = _by_name().get(name.casefold())
    return found.slug if found else name.casefold()


def source_named(name: str) -> SourceMapping:
    """The source of this name or alias. Raises NotFound, which names what takes a body of any product."""
    found = _by_name().get(name.casefold()) if _NAME.fullmatch(name.casefold()) else None
    if found is None:
        raise NotFound(
            f"there is no source {name[:40]!r}",
            remedy="see GET /api/v1/sources; /api/v1/intake/generic takes the body of any product",
        )
    return found
