"""What may be set for a part of this machine: a process, a unit of systemd, a disk, a command."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated
from urllib.parse import unquote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from opsteward.contracts.connector import SystemRef, parse_fields, split_endpoint
from opsteward.contracts.thresholds import Thresholds, condition_over
from opsteward.core.errors import Invalid
from opsteward.core.process_condition import HANG_SECONDS

SCHEMES = ("process", "systemd", "disk", "command", "host", "job")
_UNIT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9:_.\\@-]{0,250}", re.ASCII)
_COMMAND = re.compile(r"[A-Za-z0-9_][\w.-]{0,99}", re.ASCII)
#: What a condition may speak of, by scheme.
EXPECTED_VALUES: Mapping[str, Sequence[str]] = {
    "process": ("count", "memory_bytes", "cpu_percent", "open_files", "threads", "age_seconds"),
    "systemd": ("active_state", "sub_state", "restarts"),
    "disk": ("used_percent", "inodes_used_percent", "free_bytes", "read_only"),
    "command": ("exit_code", "output", "latency"),
    "host": (
        "load_per_cpu",
        "cpu_percent",
        "memory_available_percent",
        "swap_used_percent",
        "open_files_percent",
        "oom_kills",
        "clock_offset_seconds",
    ),
    "job": ("age_seconds", "size_bytes"),
}


class ProcessSettings(Thresholds):
    """How many processes there must be; None: no bound."""

    min_count: int = Field(default=1, ge=0, le=100_000)
    max_count: int | None = Field(default=None, ge=0, le=100_000)
    memory_limit_mb: float | None = Field(default=None, gt=0)
    hang_seconds: float = Field(default=HANG_SECONDS, gt=0, le=8)
    expect: Annotated[str, AfterValidator(condition_over(EXPECTED_VALUES["process"]))] = ""

    @model_validator(mode="after")
    def _in_order(self) -> ProcessSettings:
        if self.max_count is not None and self.max_count < self.min_count:
            raise ValueError("max_count is below min_count")
        return self


class UnitSettings(Thresholds):
    """`expect` stands in for the rule that the unit must be active."""

    expect: Annotated[str, AfterValidator(condition_over(EXPECTED_VALUES["systemd"]))] = ""


class DiskSettings(Thresholds):
    """Space and inodes in use, in percent of what ordinary processes may use."""

    warn_percent: float = Field(default=85.0, gt=0, le=100)
    fail_percent: float = Field(default=95.0, gt=0, le=100)
    mounted: bool = False
    expect: Annotated[str, AfterValidator(condition_over(EXPECTED_VALUES["disk"]))] = ""


class HostSettings(Thresholds):
    """How much of the machine may be in use; `time_server` (`host` or `host:port`, SNTP) is asked for the time."""

    load_per_cpu: float = Field(default=4.0, gt=0)
    memory_available_percent: float = Field(default=5.0, ge=0, le=100)
    open_files_percent: float = Field(default=90.0, gt=0, le=100)
    clock_offset_seconds: float = Field(default=2.0, gt=0)
    time_server: Annotated[str, Field(max_length=300, pattern=r"^[A-Za-z0-9.:\[\]-]*$")] = ""
    expect: Annotated[str, AfterValidator(condition_over(EXPECTED_VALUES["host"]))] = ""


class JobSettings(Thresholds):
    """How old the file that a job leaves may become until the job counts as missed."""

    max_age_seconds: float = Field(default=90_000.0, gt=0)
    expect: Annotated[str, AfterValidator(condition_over(EXPECTED_VALUES["job"]))] = ""


class CommandSettings(Thresholds):
    """`nagios`: exit status 1 is a warning, 2 a failure, 3 unknown, as monitoring plug-ins have it; else all but 0
    fails."""

    nagios: bool = False
    expect: Annotated[str, AfterValidator(condition_over(EXPECTED_VALUES["command"]))] = ""


_SETTINGS: Mapping[str, type[Thresholds]] = {
    "process": ProcessSettings,
    "systemd": UnitSettings,
    "disk": DiskSettings,
    "command": CommandSettings,
    "host": HostSettings,
    "job": JobSettings,
}


class MachineConfig(BaseModel):
    """What is looked at: `name` is a process's name or pid file, a unit, a path or a command's name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scheme: str
    name: str
    command: tuple[str, ...] = ()
    settings: Thresholds


def config_from(target: SystemRef, *, allowed: Sequence[str], commands: Mapping[str, Sequence[str]]) -> MachineConfig:
    """Reads `process:nginx`, `process:/run/nginx.pid`, `systemd:nginx.service`, `disk:/var`, `command:name`,
    `host:local`, `job:/path`. Raises `Invalid` naming the field at fault."""
    parts = split_endpoint(target.endpoint)
    scheme, name = parts.scheme, unquote(parts.path)
    if parts.netloc or parts.query or parts.fragment:
        raise Invalid.field("endpoint", "names more than a part of this machine", f"use {scheme}:name")
    if scheme == "command":
        command = commands.get(name)
        if not _COMMAND.fullmatch(name) or not command:
            raise Invalid.field(
                "endpoint",
                "names a command that may not be run",
                "add it to the setting OPSTEWARD_CHECK_COMMANDS",
            )
        command_words = tuple(command)
    else:
        command_words = ()
        if scheme not in allowed:
            raise Invalid.field(
                "endpoint",
                f"this installation looks at no {scheme} of its own machine",
                "add it to the setting OPSTEWARD_MACHINE_CHECKS",
            )
    if not name or len(name) > 1000 or "\x00" in name:
        raise Invalid.field("endpoint", "names nothing", f"use {scheme}:name")
    if scheme == "systemd" and not _UNIT.fullmatch(name):
        raise Invalid.field("endpoint", "names no unit", "use systemd:nginx.service")
    if scheme in ("disk", "job") and not name.startswith("/"):
        raise Invalid.field("endpoint", "names no absolute path", f"use {scheme}:/var/x")
    if scheme == "host" and name != "local":
        raise Invalid.field("endpoint", "names another machine", "use host:local")
    settings = parse_fields(_SETTINGS[scheme], target.settings, prefix="settings")
    return MachineConfig(scheme=scheme, name=name, command=command_words, settings=settings)
