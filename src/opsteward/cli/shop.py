"""Puts the lab's shop into the care of a running instance."""

from __future__ import annotations

from opsteward.cli.client import Client
from opsteward.client.connection import Call
from opsteward.client.operations import actions, systems
from opsteward.client.operations import standing_orders as requests
from opsteward.client.types import SystemInfo
from opsteward.lab.lab import Lab
from opsteward.lab.registration import standing_orders

#: A shop whose customers wait two seconds wants a steward who does not wait much longer.
_PATIENCE = {"leak_idle_seconds": 2, "lock_wait_seconds": 1, "timeout_seconds": 2}


def register_shop(client: Client, lab: Lab, *, check_interval: float, orders: str | None = None) -> list[str]:
    """Register the shop's systems anew and apply its standing orders; returns the names."""
    shop = lab.describe()["systems"]
    names = [system["name"] for system in shop]
    known = {system["name"]: system["id"] for system in client.send(systems.list_systems())["items"]}
    for name in reversed(names):  # an earlier lab's: its ports are others
        if name in known:
            client.send(systems.remove_system(known[name]))
    for system in shop:
        system["settings"] |= _PATIENCE | {"check_interval": check_interval}
        client.send(Call[SystemInfo]("POST", "/api/v1/systems", system))
    known_actions = {action["action"] for action in client.send(actions.action_catalogue())["items"]}
    given = standing_orders(with_repairs="command.roll-back" in known_actions)
    client.send(requests.apply_standing_orders(text=orders or given))
    return names
