"""Whether a lock holds all that its packages ask for, extras included.

A lock is installed without resolving, so what it lacks is missing on the machine. And a package that another one wants
with an extra has to be locked with that extra: an older pip looks for it elsewhere, and ends.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

Machine = Mapping[str, str]

#: The machines that locks are made for, as the variables of markers.
MACHINES: Sequence[Machine] = [
    {
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": os_name,
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": system,
        "platform_version": "",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": platform,
    }
    for python, (os_name, system, platform, machine) in itertools.product(
        ("3.11", "3.12", "3.13", "3.14"),
        (
            ("posix", "Linux", "linux", "x86_64"),
            ("posix", "Linux", "linux", "aarch64"),
            ("posix", "Darwin", "darwin", "arm64"),
        ),
    )
]


@dataclass(frozen=True)
class Locked:
    """One line of a lock."""

    version: str
    extras: frozenset[str]
    marker: Marker | None

    def on(self, machine: Machine) -> bool:
        """Whether it is installed there."""
        return self.marker is None or self.marker.evaluate(dict(machine))


def read_lock(text: str) -> dict[str, Locked]:
    """The lines of a lock by name."""
    found = {}
    for line in text.replace("\\\n", " ").splitlines():
        requirement = Requirement(re.split(r"\s--hash=", line)[0]) if line[:1].isalnum() else None
        if requirement is not None:
            version = str(requirement.specifier).removeprefix("==")
            extras = frozenset(canonicalize_name(extra) for extra in requirement.extras)
            found[canonicalize_name(requirement.name)] = Locked(version, extras, requirement.marker)
    return found


def missing(lock: Mapping[str, Locked], roots: Sequence[str]) -> Iterator[str]:
    """What the lock lacks of the roots' wishes and of its packages'; their metadata is read where it is installed."""
    wishes = [("pyproject.toml", frozenset[str](), [Requirement(text) for text in roots])]
    for name, line in lock.items():
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            if any(line.on(machine) for machine in MACHINES if machine["sys_platform"] == "linux"):
                yield f"{name} is locked and not installed here: nobody knows what it asks for"
            continue
        if installed.version != line.version:
            yield f"{name} is locked at {line.version}, and {installed.version} is installed here"
        wishes.append((name, line.extras, [Requirement(text) for text in installed.requires or []]))
    for name, extras, requirements in wishes:
        for requirement in requirements:
            yield from _unmet(lock, name, extras, requirement)


def _unmet(lock: Mapping[str, Locked], name: str, extras: frozenset[str], wish: Requirement) -> Iterator[str]:
    """What one wish of a package, with its locked extras, lacks on any machine that has the package."""
    for machine in MACHINES:
        there = name not in lock or lock[name].on(machine)
        if not there or not any(_applies(wish, machine, extra) for extra in ("", *extras)):
            continue
        line = lock.get(canonicalize_name(wish.name))
        where = f"on {machine['sys_platform']} {machine['platform_machine']} with Python {machine['python_version']}"
        if line is None or not line.on(machine):
            yield f"{name} asks for {wish}, which is not locked {where}"
        elif not wish.specifier.contains(line.version, prereleases=True):
            yield f"{name} asks for {wish}, and {line.version} is locked"
        elif lacking := {canonicalize_name(extra) for extra in wish.extras} - line.extras:
            yield f"{name} asks for {wish}, which is locked without [{', '.join(sorted(lacking))}]"
        else:
            continue
        return


def _applies(wish: Requirement, machine: Machine, extra: str) -> bool:
    return wish.marker is None or wish.marker.evaluate({**machine, "extra": extra})
