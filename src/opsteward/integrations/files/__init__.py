"""Folders of files, local or remote: CSV, JSON, NDJSON, LDIF and Parquet as lists of records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from opsteward.contracts.integration import Integration
from opsteward.integrations.files.config import REMOTE
from opsteward.integrations.files.connector import FilesConnector


def build(folders: Sequence[Path] = ()) -> Integration:
    """The integration; `folders` are those of this machine in which systems may be."""
    allowed = type("FilesConnector", (FilesConnector,), {"roots": tuple(folders)})
    return Integration(slug="files", title="Files", schemes=frozenset({"file", *REMOTE}), connector=allowed)


INTEGRATION = build()
