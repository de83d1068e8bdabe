"""The lab's systems and standing orders in the form in which a caller registers them to be looked after."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict
from urllib.parse import quote

from opsteward.core.json_types import JsonObject
from opsteward.lab.folder import LabFacts
from opsteward.lab.supervision import SHOP, USERNAME


class NewSystem(TypedDict):
    """A system as `POST /api/v1/systems` takes it."""

    name: str
    type: str
    endpoint: str
    health_check_url: str | None
    criticality: str
    depends_on: list[str]
    credentials: dict[str, str]
    settings: JsonObject


class LabDescription(TypedDict):
    """What a caller needs to look after the lab; `rate` in orders a second, `traffic` and `faults` are paths."""

    systems: list[NewSystem]
    shop_url: str
    rate: float
    traffic: str
    faults: str


def systems(facts: LabFacts) -> list[NewSystem]:
    """The three systems as a caller registers them; the shop's page comes last, as it needs the other two."""
    return [
        {
            "name": "shop-database",
            "type": "database",
            "endpoint": f"postgresql://127.0.0.1:{facts.database_port}/shop",
            "health_check_url": None,
            "criticality": "critical",
            "depends_on": [],
            "credentials": {"username": "shop_monitor", "password": facts.monitor_password},
            "settings": {},
        },
        {
            "name": "shop-processes",
            "type": "service",
            "endpoint": f"supervisor+unix://{quote(str(facts.supervisor_socket))}",
            "health_check_url": None,
            "criticality": "critical",
            "depends_on": [],
            "credentials": {"username": USERNAME, "password": facts.supervisor_password},
            "settings": {"processes": [SHOP]},
        },
        {
            "name": "shop-web",
            "type": "service",
            "endpoint": facts.shop_url,
            "health_check_url": f"{facts.shop_url}/health",
            "criticality": "critical",
            "depends_on": ["shop-database", "shop-processes"],
            "credentials": {},
            "settings": {},
        },
    ]


def standing_orders() -> str:
    """The orders under which the shop is repaired without anybody being asked, as the text of their file."""
    return Path(__file__).with_name("standing_orders.yaml").read_text(encoding="utf-8")
