"""Which integrations this installation has, and what the rule files may name of them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from opsteward.contracts.integration import Integration
from opsteward.contracts.registry import Registry
from opsteward.core.errors import Invalid
from opsteward.events.standing_orders.document import ActionInfo
from opsteward.integrations import network, postgresql, supervisor, web
from opsteward.integrations.apprise import build as build_notifications
from opsteward.integrations.apprise.settings import NotifySettings


def build_registry(notify: NotifySettings, plugins: Sequence[str] = (), extra: Sequence[Integration] = ()) -> Registry:
    """All integrations, the more specific first: the first connector of a scheme is the one that tells the version."""
    routes = {
        "security": notify.security,
        "oncall": notify.oncall,
        "admin": notify.admin,
    }
    return Registry(
        [
            postgresql.INTEGRATION,
            supervisor.INTEGRATION,
            web.INTEGRATION,
            network.INTEGRATION,
            build_notifications(routes, to_users=notify.users),
            *(load_plugin(name) for name in plugins),
            *extra,
        ]
    )


def load_plugin(name: str) -> Integration:
    """The integration that `module:attribute` names. Raises Invalid that names the setting."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise Invalid.field(
            "OPSTEWARD_PLUGINS", f"can't load {name!r}: {error}", "name an Integration as module:attribute"
        ) from error
    if not isinstance(found, Integration):
        raise Invalid.field("OPSTEWARD_PLUGINS", f"{name!r} is no Integration", "name one as module:attribute")
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
