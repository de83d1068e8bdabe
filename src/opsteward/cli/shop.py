"""Puts the lab's shop into the care of a running instance."""

from __future__ import annotations

from opsteward.cli.client import CallFailed, Client
from opsteward.events.standing_orders import shipped
from opsteward.lab.lab import Lab


def look_after(client: Client, lab: Lab, *, check_interval: float, orders: str | None = None) -> list[str]:
    """Register the shop's systems (those that are not yet) and apply its standing orders; returns the names."""
    names = []
    for system in lab.describe()["systems"]:
        system["settings"] |= {"check_interval": check_interval, "leak_idle_seconds": 2, "lock_wait_seconds": 1.5}
        try:
            client.post("/api/v1/systems", system)
        except CallFailed as error:
            if error.status != 409:
                raise
        names.append(system["name"])
    client.put("/api/v1/standing-orders", {"text": orders or shipped("lab")})
    return names
