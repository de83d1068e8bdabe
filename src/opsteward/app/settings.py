"""All settings of an installation, each group as its room declares it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_type_hints

from pydantic import Field, IPvAnyNetwork

from opsteward.accounts.settings import AccountSettings, OidcSettings
from opsteward.actions.settings import ActionSettings
from opsteward.agents.settings import AgentSettings
from opsteward.api.settings import ApiSettings
from opsteward.core.settings import CoreSettings, SettingsGroup, read_groups, variables
from opsteward.crew.direct_calls.settings import DirectCallSettings
from opsteward.crew.settings import CrewSettings, ModelSettings
from opsteward.directory.imports.settings import ImportSettings
from opsteward.directory.scim.settings import ScimSettings
from opsteward.events.sources.mail.settings import MailSettings
from opsteward.events.sources.settings import SourcesSettings
from opsteward.events.sources.syslog.settings import SyslogSettings
from opsteward.help.settings import HelpSettings
from opsteward.integrations.apprise.settings import NotifySettings
from opsteward.systems.settings import SystemSettings
from opsteward.tasks.settings import TaskSettings
from opsteward.telemetry.settings import TelemetrySettings
from opsteward.troubleshooting.settings import SessionSettings


class IntegrationSettings(SettingsGroup):
    """What is loaded beside what ships."""

    plugins: list[str] = Field(
        default_factory=list, description="Further integrations to load, each as module:attribute."
    )
    disabled_plugins: list[str] = Field(
        default_factory=list, description="Installed plug-ins, by name, that are not loaded."
    )
    refused_networks: list[IPvAnyNetwork] = Field(
        default_factory=list,
        description="Networks that nothing is connected to, as 127.0.0.0/8; metadata addresses never are anyway.",
    )
    machine_checks: list[Literal["process", "systemd", "disk", "host", "job"]] = Field(
        default=["process", "systemd", "disk", "host", "job"],
        description="Parts of the machine that Opsteward runs on which systems may be.",
    )
    check_commands: dict[str, list[str]] = Field(
        default_factory=dict,
        description="Commands that systems may be, as command:NAME, each a list of its words; none: nothing is run.",
    )
    repair_commands: dict[str, list[str]] = Field(
        default_factory=dict,
        description="Operator's own repairs, each the words of a command; standing orders name them as command.NAME.",
    )
    file_folders: list[Path] = Field(
        default_factory=list, description="Folders of this machine in which systems of files may be; none: nowhere."
    )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one installation: a group for each room, handed to that room alone."""

    core: CoreSettings
    api: ApiSettings
    scim: ScimSettings
    accounts: AccountSettings
    oidc: OidcSettings
    tasks: TaskSettings
    agents: AgentSettings
    systems: SystemSettings
    imports: ImportSettings
    actions: ActionSettings
    direct_calls: DirectCallSettings
    troubleshooting: SessionSettings
    help: HelpSettings
    telemetry: TelemetrySettings
    notify: NotifySettings
    sources: SourcesSettings
    syslog: SyslogSettings
    mail: MailSettings
    crew: CrewSettings
    models: ModelSettings
    integrations: IntegrationSettings

    def groups(self) -> list[SettingsGroup]:
        """The groups of all rooms."""
        return [getattr(self, name) for name in GROUPS]

    @property
    def home(self) -> Path:
        """The folder of all files."""
        return self.core.home


GROUPS: dict[str, type[SettingsGroup]] = get_type_hints(Settings)


def all_variables() -> set[str]:
    """The environment variable of every setting."""
    return {variable for group in GROUPS.values() for variable, _, _ in variables(group)}


def load_settings(**overrides: object) -> Settings:
    """Read the settings; overrides go by the names of the file. Raises Invalid that names each wrong or unknown one."""
    return Settings(**read_groups(GROUPS, overrides))  # type: ignore[arg-type]
