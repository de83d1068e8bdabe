"""Where a lab keeps its files, and the facts that its processes share through them.

Nothing here starts or stops anything.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

from opsteward.core.errors import Conflict, NotFound

ROLE_LIMIT = 20  # connections that the role `shop` may hold, the injectors' ones among them


class ConnectArgs(TypedDict):
    """Keyword arguments for psycopg's connect."""

    host: str
    port: int
    dbname: str
    user: str
    password: str
    application_name: str
    sslmode: str
    gssencmode: str
    options: NotRequired[str]


@dataclass(frozen=True)
class LabFolder:
    """The files of one lab. `home` is absolute."""

    home: Path

    @property
    def facts(self) -> Path:
        return self.home / "lab.json"

    @property
    def lock(self) -> Path:
        return self.home / "lab.lock"

    @property
    def rate(self) -> Path:
        return self.home / "rate"

    @property
    def traffic(self) -> Path:
        return self.home / "traffic.jsonl"

    @property
    def faults(self) -> Path:
        return self.home / "faults"

    @property
    def run(self) -> Path:
        """Pid files of the processes that the lab started."""
        return self.home / "run"

    @property
    def log(self) -> Path:
        return self.home / "log"

    @property
    def postgres(self) -> Path:
        return self.home / "postgres"

    @property
    def release(self) -> Path:
        """The code and assets of the shop's pages and of the jobs' API as they are deployed now."""
        return self.home / "release"

    @property
    def tls(self) -> Path:
        return self.home / "tls"

    @property
    def network(self) -> Path:
        """What the gateway and the name server are told to do."""
        return self.home / "network"

    @property
    def jobs(self) -> Path:
        """Queue, tokens, limits and schedule of the second application."""
        return self.home / "jobs"

    @property
    def disk(self) -> Path:
        """A small file system of its own, where one can be mounted."""
        return self.home / "disk"


@dataclass(frozen=True, kw_only=True)
class LabFacts:
    """Ports, passwords and base rate (orders a second) of one start of a lab. `whole`: with gateway, name
    server, second application and, where one can be mounted (`has_disk`), a small disk."""

    database_port: int
    shop_port: int
    admin_password: str
    shop_password: str
    monitor_password: str
    supervisor_folder: str
    supervisor_password: str
    rate: float
    whole: bool = False
    has_disk: bool = False
    gateway_port: int = 0
    names_port: int = 0
    jobs_port: int = 0
    jobs_token: str = ""
    operator_token: str = ""

    @property
    def shop_url(self) -> str:
        return f"http://127.0.0.1:{self.shop_port}"

    @property
    def supervisor_socket(self) -> str:
        return f"{self.supervisor_folder}/supervisor.sock"

    def connect_args(self, role: str, application_name: str) -> ConnectArgs:
        """Keyword arguments for psycopg's connect as `role` (`shop`, `shop_monitor` or `postgres`)."""
        passwords = {
            "shop": self.shop_password,
            "shop_monitor": self.monitor_password,
            "postgres": self.admin_password,
        }
        return {
            "host": "127.0.0.1",
            "port": self.database_port,
            "dbname": "postgres" if role == "postgres" else "shop",
            "user": role,
            "password": passwords[role],
            "application_name": application_name,
            # loopback: neither adds anything but round trips
            "sslmode": "disable",
            "gssencmode": "disable",
        }

    def save(self, folder: LabFolder) -> None:
        write_private(folder.facts, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, folder: LabFolder) -> LabFacts:
        """Raises NotFound when no lab was ever started in the folder, Conflict when it is not of our making."""
        try:
            return cls(**json.loads(folder.facts.read_text()))
        except FileNotFoundError:
            raise NotFound(f"no lab was started in {folder.home}", remedy="start one first") from None
        except (TypeError, ValueError):
            raise Conflict(f"{folder.facts} can't be read", remedy="remove the folder, or choose another") from None


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, readable by its owner only; a reader sees the old text or the new one."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    fresh.replace(path)


def set_rate(folder: LabFolder, rate: float) -> None:
    """Orders a second from now on; the traffic reads it before each order."""
    write_private(folder.rate, f"{rate:g}\n")


def current_rate(folder: LabFolder) -> float:
    return float(folder.rate.read_text())
