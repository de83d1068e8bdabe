"""What may be set for a folder of files: where it is, which file is which list, its key and its columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from opsteward.contracts.connector import SystemRef, parse_fields, split_endpoint
from opsteward.core.errors import Invalid
from opsteward.integrations.files.formats import READERS

_Name = Annotated[str, Field(min_length=1, max_length=200)]
#: Addresses that fsspec opens. Those whose host could be any are none of them: no guard is before its drivers.
REMOTE = frozenset({"s3"})


class FileResource(BaseModel):
    """One file as a list of records. `lists` are columns of CSV with several values, and what separates them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: _Name
    key: _Name = "id"
    columns: Annotated[tuple[_Name, ...], Field(max_length=1000)] = ()
    lists: Annotated[dict[_Name, Annotated[str, Field(min_length=1, max_length=3)]], Field(max_length=100)] = {}
    #: The column that says whether an account is in use; without it nobody is disabled here.
    active: str | None = None


class FileSettings(BaseModel):
    """A system's own `settings`, as far as they concern its files. `key` is for files without an own entry."""

    key: str | None = Field(default=None, max_length=200)
    resources: Annotated[dict[_Name, FileResource], Field(max_length=200)] = {}


class FileCredentials(BaseModel):
    """For remote addresses only: key and secret; without them as nobody, never as this machine."""

    username: str = ""
    password: SecretStr = SecretStr("")


class FilesConfig(BaseModel):
    """Where the files are: a local `folder`, or `remote`, an address of fsspec."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path
    remote: str = ""
    settings: FileSettings
    credentials: FileCredentials


def config_from(target: SystemRef, credentials: Mapping[str, str], roots: tuple[Path, ...]) -> FilesConfig:
    """Reads `file:///folder`, inside one of the `roots` that the installation allows, or an address of fsspec.

    Raises `Invalid` naming the field at fault.
    """
    parts = split_endpoint(target.endpoint)
    settings = parse_fields(FileSettings, target.settings, prefix="settings")
    for name, resource in settings.resources.items():
        where = f"settings.resources.{name}.file"
        if Path(resource.file).name != resource.file or resource.file in {".", ".."} or "\x00" in resource.file:
            raise Invalid.field(where, "is no plain file name", "name a file of the folder itself")
        if Path(resource.file).suffix.lower() not in READERS:
            raise Invalid.field(where, "is of no known kind", f"use {', '.join(sorted(READERS))}")
    login = parse_fields(FileCredentials, credentials, prefix="credentials")
    if parts.scheme in REMOTE:
        return FilesConfig(folder=Path("/"), remote=target.endpoint, settings=settings, credentials=login)
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"}:
        raise Invalid.field("endpoint", "is no file:///folder")
    return FilesConfig(folder=allowed_path(Path(unquote(parts.path)), roots), settings=settings, credentials=login)


def allowed_path(path: Path, roots: tuple[Path, ...]) -> Path:
    """The real path, links followed. Raises Invalid outside of the roots."""
    try:
        real = path.resolve()
    except (OSError, ValueError):
        raise Invalid.field("endpoint", "is no usable path") from None
    if not any(real.is_relative_to(root.resolve()) for root in roots):
        raise Invalid.field(
            "endpoint", "lies outside of the folders that may be read", "add its folder to OPSTEWARD_FILE_FOLDERS"
        )
    return real
