"""The machine that Opsteward runs on: its processes, units of systemd, disks, and commands that the operator allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from opsteward.contracts.integration import Integration
from opsteward.integrations.machine.checks import MachineCheck
from opsteward.integrations.machine.config import SCHEMES
from opsteward.integrations.machine.connector import MachineConnector
from opsteward.integrations.machine.repair_commands import repair_command


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


def build_commands(commands: Mapping[str, Sequence[str]], records: Path | None = None) -> Integration:
    """The operator's own repairs as actions `command.NAME`. What was begun is noted in the folder `records`."""
    return Integration(
        slug="command",
        title="Repairs of the operator",
        actions=[repair_command(name, words, records) for name, words in sorted(commands.items())],
    )


INTEGRATION = build()
