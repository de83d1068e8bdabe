"""Integrations of others: found by their entry point or named by a setting, loaded beside what ships, and examined."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from pydantic import BaseModel

from opsteward.contracts.connector import Connector
from opsteward.contracts.integration import Integration
from opsteward.contracts.records import RecordSource, RecordTarget
from opsteward.contracts.registry import Registry
from opsteward.core.errors import Invalid

GROUP = "opsteward.integrations"


@dataclass(frozen=True, kw_only=True)
class FoundPlugin:
    """A plug-in that is installed: `place` is the module:attribute of its Integration."""

    name: str
    place: str
    package: str
    version: str


def installed_plugins() -> list[FoundPlugin]:
    """What the installed packages offer, by name; loads none of it."""
    found = [
        FoundPlugin(
            name=point.name,
            place=point.value,
            package=point.dist.name if point.dist else "",
            version=point.dist.version if point.dist else "",
        )
        for point in entry_points(group=GROUP)
    ]
    return sorted(found, key=lambda one: (one.name, one.place))


def places_of(named: Sequence[str], disabled: Sequence[str]) -> list[str]:
    """What is to be loaded: what the setting names, then every installed plug-in that is not disabled."""
    installed = [one.place for one in installed_plugins() if one.name not in disabled]
    return list(dict.fromkeys([*named, *installed]))


def load_plugin(place: str, *, beside: Sequence[Integration] = ()) -> Integration:
    """The integration that `module:attribute` names, to work beside others. Raises Invalid that names it."""
    module, _, attribute = place.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # whatever a module of others does when it is imported
        problem = f"can't load {place!r}: {type(error).__name__}: {error}"
        raise Invalid.field("OPSTEWARD_PLUGINS", problem, "name an Integration as module:attribute") from error
    if not isinstance(found, Integration):
        raise Invalid.field("OPSTEWARD_PLUGINS", f"{place!r} is no Integration", "name one as module:attribute")
    try:
        Registry([*beside, found])
    except ValueError as error:
        raise Invalid.field("OPSTEWARD_PLUGINS", f"{place!r}: {error}", "give its parts names of their own") from error
    return found


def examine(found: Integration) -> Iterator[str]:
    """What is wrong with an integration, one sentence each; nothing for one that keeps the contracts."""
    if not found.slug.replace("_", "").isalnum() or found.slug != found.slug.lower():
        yield f"its slug {found.slug!r} is no lower-case name"
    if not found.title:
        yield "it has no title"
    if (found.connector is None) != (not found.schemes):
        yield "it needs both schemes and a connector, or neither"
    if found.connector is not None:
        yield from _examine_connector(found.connector)
    parts: list[Any] = [*found.checks, *found.actions]
    for part in parts:
        if not part.slug.startswith(f"{found.slug}."):
            yield f"{part.slug} does not start with {found.slug}."
        if not part.title or not inspect.getdoc(type(part)):
            yield f"{part.slug} has no title or no docstring"
    for check in found.checks:
        if check.timeout > 10:
            yield f"{check.slug} may take {check.timeout:g} s, a check at most 10"
    if found.access is not None and found.access not in {action.slug for action in found.actions}:
        yield f"its access action {found.access} is none of its actions"


def _examine_connector(kind: type[Connector[BaseModel]]) -> Iterator[str]:
    if missing := sorted(getattr(kind, "__abstractmethods__", ())):
        yield f"its connector has no {', '.join(missing)}"
    if not (isinstance(getattr(kind, "config_model", None), type) and issubclass(kind.config_model, BaseModel)):
        yield "its connector has no config_model"
        return
    for name, each in kind.config_model.model_fields.items():
        secret = any(word in name for word in ("password", "token", "secret"))
        if secret and each.annotation in (str, str | None):
            yield f"{name} of its configuration is plain text: use pydantic's SecretStr, which no log shows"


def what_it_does(found: Integration) -> str:
    """In a few words, for lists."""
    parts = [
        f"{len(found.checks)} checks" if found.checks else "",
        f"{len(found.actions)} actions" if found.actions else "",
    ]
    bases: tuple[type, ...] = found.connector.__mro__ if found.connector is not None else ()
    if RecordSource in bases:
        parts.append("reads and writes records" if RecordTarget in bases else "reads records")
    return ", ".join(part for part in parts if part) or "connects"
