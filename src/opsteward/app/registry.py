"""Which integrations this installation has, and what the rule files may name of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from opsteward.app.plugins import load_plugin
from opsteward.contracts.integration import Integration
from opsteward.contracts.registry import Registry
from opsteward.core.errors import Invalid
from opsteward.core.log import get_logger
from opsteward.events.standing_orders.document import ActionInfo
from opsteward.integrations import (
    dns,
    ldap,
    mysql,
    network,
    postgresql,
    rest,
    runbooks,
    sagas,
    scim,
    services,
    supervisor,
    sync,
    web,
    webhook,
)
from opsteward.integrations.apprise import build as build_notifications
from opsteward.integrations.apprise.outbox import NoticeOutbox
from opsteward.integrations.apprise.settings import NotifySettings
from opsteward.integrations.crew import build as build_crew
from opsteward.integrations.crew.gateway import Gateway
from opsteward.integrations.files import build as build_files
from opsteward.integrations.machine import build as build_machine
from opsteward.integrations.machine import build_commands
from opsteward.integrations.machine.config import SCHEMES
from opsteward.provisioning import directory_records
from opsteward.provisioning.directory_records import OwnDirectory

log = get_logger(__name__)

#: Only the on-call room's own: it names a notice of the outbox.
SEND_NOTICE = "send_notice"


def build_registry(
    notify: NotifySettings,
    plugins: Sequence[str] = (),
    extra: Sequence[Integration] = (),
    *,
    file_folders: Sequence[Path] = (),
    machine_checks: Sequence[str] = SCHEMES,
    check_commands: Mapping[str, Sequence[str]] | None = None,
    repair_commands: Mapping[str, Sequence[str]] | None = None,
    repair_records: Path | None = None,
    directory: OwnDirectory | None = None,
    outbox: NoticeOutbox | None = None,
    gateway: Gateway | None = None,
) -> Registry:
    """All integrations, the more specific first: the first connector of a scheme is the one that tells the version."""
    routes = {
        "security": notify.security,
        "oncall": notify.oncall,
        "admin": notify.admin,
    }
    integrations = [
        postgresql.INTEGRATION,
        supervisor.INTEGRATION,
        web.INTEGRATION,
        dns.INTEGRATION,
        build_machine(machine_checks, check_commands or {}),
        build_commands(repair_commands or {}, repair_records),
        services.INTEGRATION,
        network.INTEGRATION,
        ldap.INTEGRATION,
        mysql.INTEGRATION,
        scim.INTEGRATION,
        rest.INTEGRATION,
        webhook.INTEGRATION,
        runbooks.INTEGRATION,
        build_files(file_folders),
        build_notifications(routes, to_users=notify.users, outbox=outbox, push_hosts=notify.push_hosts),
        sagas.INTEGRATION,
        sync.INTEGRATION,
        build_crew(gateway),
        directory_records.integration(directory or OwnDirectory()),
        *extra,
    ]
    for name in plugins:
        try:
            integrations.append(load_plugin(name, beside=integrations))
        except Invalid as error:  # the others work without it; `doctor` names it too
            log.error("app.plugin.unusable", plugin=name, error=error.detail, remedy=error.problems[0].remedy)
    return Registry(integrations)


def known_actions(registry: Registry) -> dict[str, ActionInfo]:
    """The actions that a standing order may name."""
    return {
        slug: ActionInfo(
            slug=slug,
            risk=offered.action.risk.value,
            needs_target=offered.connector is not None,
            params=tuple(offered.action.params_model.model_fields),
        )
        for slug, offered in registry.actions.items()
        if slug != SEND_NOTICE
    }
