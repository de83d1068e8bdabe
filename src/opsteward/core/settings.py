"""How settings are declared and read: environment `OPSTEWARD_*` > `opsteward.toml` > default.

Each room declares its own groups in its `settings.py`; `app.settings` assembles them. A wrong setting stops the start
with the name of its variable. `docs/reference/settings.md` is generated from the groups.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from opsteward.core.error_words import said
from opsteward.core.errors import FieldProblem, Invalid
from opsteward.core.format_words import toml_problem
from opsteward.core.running_instance import default_home, toml_file

_PREFIX = "OPSTEWARD_"
#: Variables under our prefix that are not settings of the server: the CLI's, and the tests' and benchmarks'.
CLIENT_VARIABLES = frozenset({"OPSTEWARD_URL", "OPSTEWARD_TOKEN", "OPSTEWARD_MEASURING_DATA"})


class SettingsGroup(BaseSettings):
    """Settings that belong together. Times are seconds, sizes are bytes unless the name says otherwise.

    A field is read from `OPSTEWARD_<FIELD>` (`env_prefix` may be longer), or from its `validation_alias`. Two groups
    may inherit the same field: both read the same variable.
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="forbid", validate_default=True, populate_by_name=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _TomlFile(cls)


class CoreSettings(SettingsGroup):
    """Home, database, secret key and log of an installation."""

    home: Path = Field(default_factory=default_home, description="Folder of all files: embedded database, keys, token.")
    database_url: SecretStr | None = Field(
        validation_alias="DATABASE_URL",
        default=None,
        description="Your own PostgreSQL >= 15 (postgresql://user:password@host/db). Unset: the embedded one.",
    )
    secret_key: SecretStr | None = Field(
        default=None, description="32 random bytes, base64. Unset: made in the home. All processes need the same."
    )
    database_pool_size: int = Field(default=5, ge=1, le=200, description="Connections kept open per role.")
    database_pool_max: int = Field(
        default=20, ge=1, le=500, description="Most connections per role; up to four more look up who asks."
    )
    log_level: str = Field(
        validation_alias="LOG_LEVEL",
        default="INFO",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
        description="DEBUG, INFO, WARNING or ERROR.",
    )
    log_format: str = Field(default="auto", pattern="^(auto|json|text)$", description="json, text, or auto (terminal).")
    changes_retention: float = Field(
        default=86_400.0, gt=0, description="Who follows the live feed can come back within this and miss nothing."
    )

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @property
    def given_secret(self) -> str | None:
        """The secret key, where it is a setting and no file."""
        return self.secret_key.get_secret_value() if self.secret_key else None


class RetrySettings(SettingsGroup):
    """How often and when something that failed is tried again; a room that tries again inherits them."""

    max_retries: int = Field(
        default=5, ge=0, le=100, description="Tries after the first of an action that may yet work."
    )
    backoff_factor: float = Field(default=2.0, ge=1, le=10, description="Each wait between tries is so much longer.")
    max_backoff: float = Field(default=300.0, gt=0, description="Longest wait between tries.")


class ProcessSettings(SettingsGroup):
    """How processes notice each other's end; a room that depends on it inherits this."""

    process_lost_after: float = Field(default=5.0, gt=0.5, description="A silent process is taken for dead after this.")


def variables(group: type[SettingsGroup]) -> Iterator[tuple[str, str, FieldInfo]]:
    """Each setting of a group: its environment variable, its field's name and the field."""
    for name, field in group.model_fields.items():
        alias = field.validation_alias
        yield (alias if isinstance(alias, str) else f"{group.model_config['env_prefix']}{name}".upper()), name, field


def flat_name(variable: str) -> str:
    """A setting's name in `opsteward.toml`, and as an argument: the variable without the prefix, in small letters."""
    return variable.removeprefix(_PREFIX).lower()


def read_groups(groups: Mapping[str, type[SettingsGroup]], overrides: Mapping[str, object]) -> dict[str, SettingsGroup]:
    """Every group, read from `overrides` (by flat names), environment, file and defaults.

    Raises Invalid that names the variable of each wrong or unknown setting, of all groups at once.
    """
    names = {variable for group in groups.values() for variable, _, _ in variables(group)}
    problems = [
        _unknown(name) for name in os.environ if name.startswith(_PREFIX) and name not in names | CLIENT_VARIABLES
    ]
    flat = {flat_name(name) for name in names}
    try:
        strange = [name for name in (*_file_values(), *overrides) if name not in flat]
    except tomllib.TOMLDecodeError as error:
        raise Invalid.field(str(toml_file()), toml_problem(error), "see docs/reference/settings.md") from None
    problems += [_unknown(f"{_PREFIX}{name.upper()}") for name in strange]
    read: dict[str, SettingsGroup] = {}
    for name, group in groups.items():
        given = {field: overrides[key] for key, field in _flat_fields(group) if key in overrides}
        try:
            read[name] = group.model_validate(given)
        except ValidationError as error:
            problems += [_wrong(group, e) for e in error.errors(include_input=False)]
    if problems:
        raise Invalid(problems=list({problem.field: problem for problem in problems}.values()))
    return read


class _TomlFile(PydanticBaseSettingsSource):
    """Those values of `opsteward.toml` that are a group's."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[object, str, bool]:
        raise NotImplementedError  # all at once, below

    def __call__(self) -> dict[str, object]:
        values = _file_values()
        group = self.settings_cls
        assert issubclass(group, SettingsGroup)
        return {field: values[key] for key, field in _flat_fields(group) if key in values}


def _file_values() -> dict[str, object]:
    path = toml_file()
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _flat_fields(group: type[SettingsGroup]) -> Iterator[tuple[str, str]]:
    return ((flat_name(variable), name) for variable, name, _ in variables(group))


def _unknown(variable: str) -> FieldProblem:
    return FieldProblem(field=variable, problem="is not a setting", remedy="see docs/reference/settings.md")


def _wrong(group: type[SettingsGroup], error: ErrorDetails) -> FieldProblem:
    """The place is empty for a list or an object that can't be read: the library names its field within the text."""
    location, (problem, remedy) = str(error["loc"][0]) if error["loc"] else "", said(error)
    for variable, name, _ in variables(group):
        if location in (name, variable):
            return FieldProblem(field=variable, problem=problem, remedy=remedy)
        if not location and f'"{name}"' in error["msg"]:
            return FieldProblem(field=variable, problem="is no JSON", remedy="see docs/reference/settings.md")
    return FieldProblem(field=location or "settings", problem=problem, remedy=remedy)
