"""The files that a new plug-in starts with."""

from __future__ import annotations

import re
from pathlib import Path

from opsteward.cli.failures import REFUSED, Failure

_NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")

_PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "opsteward-{dashed}"
version = "0.1.0"
description = "Connects Opsteward to {title}"
requires-python = ">=3.11"
dependencies = ["opsteward"]

[project.entry-points."opsteward.integrations"]
{name} = "opsteward_{name}:INTEGRATION"

[tool.hatch.build.targets.wheel]
packages = ["src/opsteward_{name}"]
"""

_PACKAGE = '''\
"""{title}: what can be looked at there."""

from opsteward.contracts.integration import Integration

from opsteward_{name}.checks import AnswersCheck
from opsteward_{name}.connector import {class_name}Connector

INTEGRATION = Integration(
    slug="{name}",
    title="{title}",
    schemes=frozenset({{"{scheme}"}}),
    connector={class_name}Connector,
    checks=(AnswersCheck(),),
)
'''

_CONNECTOR = '''\
"""A registered {title}: `{scheme}://host[:port]`. Heavy libraries are imported where they are used."""

import asyncio
import time
from collections.abc import Mapping
from typing import ClassVar

from opsteward.contracts.connector import Connector, ProbeReport, SystemRef, parse_fields, split_endpoint
from opsteward.core.errors import Invalid, Timeout
from opsteward.core.http_client import REGISTERED_SYSTEMS, resolve_host, unreachable
from pydantic import BaseModel, Field, SecretStr


class Settings(BaseModel):
    """What may stand in the system's `settings`."""

    timeout_seconds: float = Field(default=5.0, gt=0, le=9)


class Credentials(BaseModel):
    """What may stand in its `credentials`."""

    token: SecretStr = SecretStr("")


class Config(BaseModel):
    """Everything one connection needs."""

    host: str
    port: int
    settings: Settings
    credentials: Credentials


class {class_name}Connector(Connector[Config]):
    """Opens one connection and closes it. To read or write records, add `RecordTarget` and its methods."""

    config_model: ClassVar[type[BaseModel]] = Config

    @classmethod
    def config_for(cls, target: SystemRef, credentials: Mapping[str, str]) -> Config:
        parts = split_endpoint(target.endpoint)
        if parts.scheme != "{scheme}" or not parts.hostname:
            raise Invalid.field("endpoint", "is no {scheme}://host[:port]")
        return Config(
            host=parts.hostname,
            port=parts.port or 7000,
            settings=parse_fields(Settings, target.settings, prefix="settings"),
            credentials=parse_fields(Credentials, credentials, prefix="credentials"),
        )

    async def probe(self) -> ProbeReport:
        started = time.monotonic()
        limit = self.config.settings.timeout_seconds
        try:
            async with asyncio.timeout(limit):
                # only addresses that the guard lets through
                _, address = (await resolve_host(self.config.host, self.config.port, REGISTERED_SYSTEMS))[0]
                _, writer = await asyncio.open_connection(address, self.config.port)
        except TimeoutError as error:
            raise Timeout(f"{{self.config.host}} did not answer within {{limit:g}} s") from error
        except OSError as error:
            raise unreachable("tcp", f"No connection to {{self.config.host}}: {{error.strerror}}") from error
        writer.close()
        return ProbeReport(reachable=True, seconds=time.monotonic() - started)

    async def close(self) -> None:
        return None
'''

_CHECKS = '''\
"""What is looked at, read-only. What can't look answers UNKNOWN, by raising a ConnectorError."""

from typing import ClassVar

from opsteward.contracts.check import Check, CheckResult, CheckStatus, Domain
from opsteward.contracts.connector import SystemRef
from opsteward.core.errors import Timeout, Unreachable

from opsteward_{name}.connector import {class_name}Connector


class AnswersCheck(Check[{class_name}Connector]):
    """FAIL when it takes no connection."""

    slug: ClassVar[str] = "{name}.answers"
    title: ClassVar[str] = "{title} answers"
    domain: ClassVar[Domain] = "network"
    health: ClassVar[bool] = True

    async def run(self, via: {class_name}Connector, target: SystemRef) -> CheckResult:
        try:
            report = await via.probe()
        except (Timeout, Unreachable) as error:
            return CheckResult(status=CheckStatus.FAIL, summary=error.detail)
        return CheckResult(status=CheckStatus.PASS, summary="it answers", seconds=report.seconds)
'''

_TEST = '''\
"""Run with pytest: the plug-in keeps its contracts."""

from opsteward.app.plugins import examine
from opsteward_{name} import INTEGRATION


def test_it_keeps_its_contracts() -> None:
    assert list(examine(INTEGRATION)) == []
'''

_README = """\
# opsteward-{dashed}

Connects Opsteward to {title}.

    pip install -e .
    opsteward plugins check {name}

Then restart Opsteward and register a system with the endpoint `{scheme}://host:port`.
"""


def write_plugin(name: str, folder: Path) -> Path:
    """Write the files of a plug-in into a new folder of its name. Raises Failure; overwrites nothing."""
    if not _NAME.fullmatch(name):
        raise Failure(f"{name!r:.60} is no name: use lower-case letters, digits and _, as in acme_crm", code=REFUSED)
    dashed = name.replace("_", "-")
    words = {
        "name": name,
        "dashed": dashed,
        "scheme": name.replace("_", "-"),
        "title": name.replace("_", " ").title(),
        "class_name": "".join(part.capitalize() for part in name.split("_")),
    }
    made = folder / f"opsteward-{dashed}"
    files = {
        "pyproject.toml": _PYPROJECT,
        "README.md": _README,
        f"src/opsteward_{name}/__init__.py": _PACKAGE,
        f"src/opsteward_{name}/connector.py": _CONNECTOR,
        f"src/opsteward_{name}/checks.py": _CHECKS,
        f"tests/test_{name}.py": _TEST,
    }
    try:
        made.mkdir(parents=True)
        for path, text in files.items():
            (made / path).parent.mkdir(parents=True, exist_ok=True)
            (made / path).write_text(text.format(**words), encoding="utf-8")
    except FileExistsError:
        raise Failure(f"{made} is there already: choose another name or folder", code=REFUSED) from None
    except OSError as error:
        raise Failure(f"{made} can't be written: {error.strerror}", code=REFUSED) from None
    return made
