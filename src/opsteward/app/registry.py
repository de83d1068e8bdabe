"""Which integrations this installation has, and what the rule files may name of them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from opsteward.contracts.integration import Integration
from opsteward.contracts.registry import Registry
from opsteward.core.errors import Invalid
from opsteward.core.log import get_logger
from opsteward.events.standing_orders.document import ActionInfo
from opsteward.integrations import network, postgresql, services, supervisor, web
from opsteward.integrations.apprise import build as build_notifications
from opsteward.integrations.apprise.settings import NotifySettings

log = get_logger(__name__)


def build_registry(notify: NotifySettings, plugins: Sequence[str] = (), extra: Sequence[Integration] = ()) -> Registry:
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
        services.INTEGRATION,
        network.INTEGRATION,
        build_notifications(routes, to_users=notify.users),
        *extra,
    ]
    for name in plugins:
        try:
            integrations.append(load_plugin(name, beside=integrations))
        except Invalid as error:  # the others work without it; `doctor` names it too
            log.error("app.plugin.unusable", plugin=name, error=error.detail, remedy=error.problems[0].remedy)
    return Registry(integrations)


def load_plugin(name: str, *, beside: Sequence[Integration] = ()) -> Integration:
    """The integration that `module:attribute` names, to work beside others. Raises Invalid that names it."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # whatever a module of others does when it is imported
        problem = f"can't load {name!r}: {type(error).__name__}: {error}"
        raise Invalid.field("OPSTEWARD_PLUGINS", problem, "name an Integration as module:attribute") from error
    if not isinstance(found, Integration):
        raise Invalid.field("OPSTEWARD_PLUGINS", f"{name!r} is no Integration", "name one as module:attribute")
    try:
        Registry([*beside, found])
    except ValueError as error:
        raise Invalid.field("OPSTEWARD_PLUGINS", f"{name!r}: {error}", "give its parts names of their own") from error
    return found


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
    }
