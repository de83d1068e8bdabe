"""The machine that Opsteward runs on: its processes, units of systemd, disks, and commands that the operator allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opsteward.contracts.integration import Integration
from opsteward.integrations.machine.checks import MachineCheck
from opsteward.integrations.machine.config import SCHEMES
from opsteward.integrations.machine.connector import MachineConnector


def build(allowed: Sequence[str] = SCHEMES, commands: Mapping[str, Sequence[str]] | None = None) -> Integration:
    """The integration; `allowed` schemes can be looked at, and these `commands` be run."""
    given = {"allowed": tuple(allowed), "commands": dict(commands or {})}
    connector = type("MachineConnector", (MachineConnector,), given)
    return Integration(
        slug="machine",
        title="This machine",
        schemes=frozenset(SCHEMES),
        connector=connector,
        checks=(MachineCheck(),),
    )


INTEGRATION = build()
