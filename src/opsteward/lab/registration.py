"""The lab's systems and standing orders in the form in which a caller registers them to be looked after."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import quote

from opsteward.core.json_types import Json, JsonObject
from opsteward.lab.certificates import root
from opsteward.lab.folder import LabFacts, LabFolder
from opsteward.lab.names import NAME
from opsteward.lab.process_faults import MEMORY_LIMIT_MB
from opsteward.lab.supervision import GATEWAY, JOBS_API, JOBS_WORKER, NAMES, SHOP, USERNAME


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
    """What a caller needs to look after the lab; `rate` in orders a second, `traffic` and `faults` are paths,
    `commands` are the repairs that its operator has written."""

    systems: list[NewSystem]
    shop_url: str
    rate: float
    traffic: str
    faults: str
    commands: dict[str, list[str]]


def systems(facts: LabFacts, folder: LabFolder) -> list[NewSystem]:
    """The systems as a caller registers them, each after those that it needs."""
    shop = _shop(facts)
    return shop + _further(facts, folder) if facts.whole else shop


def _shop(facts: LabFacts) -> list[NewSystem]:
    processes: list[Json] = [SHOP, GATEWAY, NAMES] if facts.whole else [SHOP]
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
            "settings": {
                "processes": processes,
                "memory_limit_mb": MEMORY_LIMIT_MB,
                "repairs": {"process_crash_loop": "roll-back"},
            },
        },
        {
            "name": "shop-web",
            "type": "service",
            "endpoint": facts.shop_url,
            "health_check_url": f"{facts.shop_url}/health",
            "criticality": "critical",
            "depends_on": ["shop-database", "shop-processes"],
            "credentials": {},
            "settings": {"response_time_seconds": 1.0, "repairs": dict.fromkeys(_OF_RELEASE, "roll-back")},
        },
    ]


def _further(facts: LabFacts, folder: LabFolder) -> list[NewSystem]:
    """The rest of the whole lab."""
    supervisor = f"supervisor+unix://{quote(str(facts.supervisor_socket))}"
    login = {"username": USERNAME, "password": facts.supervisor_password}
    found = [
        _system(
            "shop-page",
            f"https://localhost:{facts.gateway_port}/",
            depends_on=["shop-web", "shop-processes"],
            settings={
                "watch_page": True,
                "certificate_authority": root(folder),
                "response_time_seconds": 1.0,
                "repairs": dict.fromkeys(_OF_RELEASE, "roll-back")
                | dict.fromkeys(_OF_CERTIFICATE, "renew-certificate")
                | dict.fromkeys(("tls_not_spoken", "connection_broken", "network_slow"), "restore-gateway"),
            },
        ),
        _system(
            "shop-name",
            f"dns://127.0.0.1:{facts.names_port}/{NAME}?type=A",
            depends_on=["shop-processes"],
            settings={
                "expected": ["127.0.0.1"],
                "response_time_seconds": 1.0,
                "repairs": dict.fromkeys(
                    ("dns_error", "dns_no_record", "dns_unexpected", "dns_slow", "dns_unanswered"), "restore-zone"
                ),
            },
        ),
        _system("jobs-processes", supervisor, credentials=login, settings={"processes": [JOBS_API, JOBS_WORKER]}),
        _system(
            "jobs-api",
            f"http://127.0.0.1:{facts.jobs_port}",
            health_check_url="/health",
            depends_on=["jobs-processes"],
            credentials={"token": facts.jobs_token, "operator_token": facts.operator_token},
            settings={
                "api": {"openapi": "/openapi.json", "paths": ["/v1/jobs"]},
                "operator": {"queue": {"url": "/ops/queue", "expect": "json.oldest_seconds < 2.5"}},
                "repairs": {"api_contract_drift": "roll-back", "operator_check_failed:queue": "quarantine-jobs"},
            },
        ),
        _system(
            "jobs-nightly",
            f"job:{quote(str(folder.jobs / 'nightly.done'))}",
            depends_on=["jobs-processes"],
            settings={"max_age_seconds": 3, "repairs": {"job_missed": "restore-schedule"}},
        ),
    ]
    if facts.has_disk:
        repairs: JsonObject = {"disk_full": "free-disk", "disk_read_only": "make-disk-writable"}
        found.append(_system("shop-disk", f"disk:{quote(str(folder.disk))}", settings={"repairs": repairs}))
    return found


_OF_RELEASE = (
    "asset_missing", "error_page", "http_error", "redirect_loop", "page_slow", "default_page", "blank_page",
    "mixed_content",
)  # fmt: skip
_OF_CERTIFICATE = (
    "certificate_expired", "certificate_ends", "certificate_name", "certificate_untrusted", "certificate_chain",
)  # fmt: skip


def _system(name: str, endpoint: str, **more: Any) -> NewSystem:
    return {
        "name": name,
        "type": "service",
        "endpoint": endpoint,
        "health_check_url": None,
        "criticality": "critical",
        "depends_on": [],
        "credentials": {},
        "settings": {},
        **more,  # type: ignore[typeddict-item]
    }


def standing_orders(*, with_repairs: bool = False) -> str:
    """The orders under which the shop is repaired without anybody being asked, as the text of their file. Those `with
    repairs` name the commands of `commands`, which the instance must know."""
    text = Path(__file__).with_name("standing_orders.yaml").read_text(encoding="utf-8")
    if with_repairs:
        text += Path(__file__).with_name("repair_orders.yaml").read_text(encoding="utf-8")
    return text
