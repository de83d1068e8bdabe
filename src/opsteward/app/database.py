"""Which tables and functions the database of this version holds, and making it hold them."""

from __future__ import annotations

import importlib
from pathlib import Path

from opsteward import migrations
from opsteward.core.crypto import SecretBox
from opsteward.core.database_setup import DatabaseUrls, SchemaSource, provision
from opsteward.core.settings import CoreSettings

#: The modules with tables. Beside each of them a folder `sql` may hold the functions that read those tables.
MODELS = (
    *("core.process_takeover", "core.changes", "core.timers"),
    *("accounts.models", "directory.models", "directory.imports.models", "directory.scim.models"),
    *(
        f"{room}.models"
        for room in ("telemetry", "tasks", "systems", "actions", "provisioning", "agents", "events", "troubleshooting")
    ),
    "provisioning.sagas.models",
    "provisioning.sync.models",
    "events.muting.models",
    "oncall.models",
    "crew.models",
    "help.models",
)

SOURCE = SchemaSource(
    revisions=Path(migrations.__file__).parent,
    packages=tuple(sorted({f"opsteward.{module}".rpartition(".")[0] for module in MODELS})),
)


def load_models() -> None:
    """All tables known to SQLAlchemy, as references between rooms need it."""
    for module in MODELS:
        importlib.import_module(f"opsteward.{module}")


def prepare_database(settings: CoreSettings, box: SecretBox) -> DatabaseUrls:
    """Bring the database to this version's tables and functions; returns how to reach it. Raises as `provision`."""
    load_models()
    return provision(settings, box, SOURCE)
