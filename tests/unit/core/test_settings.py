"""Settings: environment over file over default; a wrong one is named."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from opsteward.app.settings import GROUPS, load_settings
from opsteward.core.errors import Invalid
from opsteward.core.settings import SettingsGroup, flat_name, variables


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_environment_wins_over_file_wins_over_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "opsteward.toml").write_text("port = 9001\nworkers = 3\n")
    monkeypatch.setenv("OPSTEWARD_PORT", "9002")
    settings = load_settings(home=tmp_path)
    assert (settings.api.port, settings.tasks.workers, settings.systems.recovery_passes) == (9002, 3, 2)


def test_the_file_may_lie_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "opsteward.toml").write_text("workers = 7\n")
    monkeypatch.setenv("OPSTEWARD_HOME", str(home))
    assert load_settings().tasks.workers == 7


@pytest.mark.parametrize(
    ("variable", "value"),
    [("OPSTEWARD_PORT", "x"), ("OPSTEWARD_PORT", "70000"), ("LOG_LEVEL", "LOUD"), ("OPSTEWARD_APPROVAL_TTL", "-1")],
)
def test_a_wrong_setting_is_named(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(Invalid) as refused:
        load_settings()
    assert [p.field for p in refused.value.problems] == [variable]


def test_an_unknown_setting_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSTEWARD_PROT", "1")
    with pytest.raises(Invalid, match="OPSTEWARD_PROT"):
        load_settings()
    monkeypatch.delenv("OPSTEWARD_PROT")
    (tmp_path / "opsteward.toml").write_text("prot = 1\n")
    with pytest.raises(Invalid, match="OPSTEWARD_PROT"):
        load_settings()


def test_every_setting_says_what_it_is() -> None:
    for group in GROUPS.values():
        assert [variable for variable, _, field in variables(group) if not field.description] == []


def test_two_groups_with_the_same_variable_inherit_it() -> None:
    declared: dict[str, set[type]] = {}
    for group in GROUPS.values():
        for variable, name, _ in variables(group):
            owner = [base for base in group.__mro__ if name in inspect.get_annotations(base)][-1]
            declared.setdefault(variable, set()).add(owner)
    assert {variable: owners for variable, owners in declared.items() if len(owners) > 1} == {}


#: Variables that installations use. One may be added; none may be taken away or renamed.
VARIABLES = [
    "DATABASE_URL",
    "LOG_LEVEL",
    "OPSTEWARD_ACTION_TIMEOUT",
    "OPSTEWARD_AGENT_BEAT_SECONDS",
    "OPSTEWARD_AGENT_FAILURES",
    "OPSTEWARD_AGENT_RETENTION",
    "OPSTEWARD_ALERT_ERROR_RATE",
    "OPSTEWARD_ALERT_MEMORY",
    "OPSTEWARD_ALERT_PROCESSING_SECONDS",
    "OPSTEWARD_ALERT_QUEUE",
    "OPSTEWARD_API_PATIENCE",
    "OPSTEWARD_API_REQUESTS_AT_ONCE",
    "OPSTEWARD_APPROVAL_MAKING_SECONDS",
    "OPSTEWARD_APPROVAL_STRICT",
    "OPSTEWARD_APPROVAL_TTL",
    "OPSTEWARD_AUDIT_WITNESSES",
    "OPSTEWARD_BACKOFF_FACTOR",
    "OPSTEWARD_CHANGES_RETENTION",
    "OPSTEWARD_CHECK_INTERVAL_BACKUP",
    "OPSTEWARD_CHECK_INTERVAL_CRITICAL",
    "OPSTEWARD_CHECK_INTERVAL_STANDARD",
    "OPSTEWARD_DATABASE_POOL_MAX",
    "OPSTEWARD_DATABASE_POOL_SIZE",
    "OPSTEWARD_DIAGNOSIS_TIMEOUT",
    "OPSTEWARD_DRAIN_SECONDS",
    "OPSTEWARD_FREEZE_SECONDS",
    "OPSTEWARD_FURTHER_LOOKS",
    "OPSTEWARD_HOME",
    "OPSTEWARD_HOST",
    "OPSTEWARD_IMPORT_AT_ONCE",
    "OPSTEWARD_IMPORT_BATCH",
    "OPSTEWARD_IMPORT_RETENTION",
    "OPSTEWARD_LOG_FORMAT",
    "OPSTEWARD_LOOK_AGAIN_AFTER",
    "OPSTEWARD_MAX_ATTEMPTS_PER_SESSION",
    "OPSTEWARD_MAX_BACKOFF",
    "OPSTEWARD_MAX_BODY_BYTES",
    "OPSTEWARD_MAX_CONNECTIONS",
    "OPSTEWARD_MAX_CONNECTIONS_PER_ADDRESS",
    "OPSTEWARD_MAX_EVENTS_PER_REQUEST",
    "OPSTEWARD_MAX_IMPORT_BYTES",
    "OPSTEWARD_MAX_INGEST_BYTES",
    "OPSTEWARD_MAX_JSON_DEPTH",
    "OPSTEWARD_MAX_RETRIES",
    "OPSTEWARD_MAX_TASKS_PER_REQUEST",
    "OPSTEWARD_MAX_TASK_PARAMS_BYTES",
    "OPSTEWARD_MAX_TASK_RESULT_BYTES",
    "OPSTEWARD_MEASURE_SECONDS",
    "OPSTEWARD_METRICS_PORT",
    "OPSTEWARD_METRICS_PUBLIC",
    "OPSTEWARD_NOTIFY_ADMIN",
    "OPSTEWARD_NOTIFY_ONCALL",
    "OPSTEWARD_NOTIFY_SECURITY",
    "OPSTEWARD_NOTIFY_USERS",
    "OPSTEWARD_OIDC_AUTO_CREATE_ROLE",
    "OPSTEWARD_OIDC_CLIENT_ID",
    "OPSTEWARD_OIDC_CLIENT_SECRET",
    "OPSTEWARD_OIDC_ISSUER",
    "OPSTEWARD_OIDC_OPERATOR_CLAIM",
    "OPSTEWARD_OIDC_ROLES",
    "OPSTEWARD_OIDC_ROLES_CLAIM",
    "OPSTEWARD_OIDC_TENANT",
    "OPSTEWARD_PLUGINS",
    "OPSTEWARD_PORT",
    "OPSTEWARD_PROCESS_LOST_AFTER",
    "OPSTEWARD_PUBLIC_URL",
    "OPSTEWARD_QUEUE_POLL_INTERVAL",
    "OPSTEWARD_RECOVERY_PASSES",
    "OPSTEWARD_RESPONSE_TIME_THRESHOLD",
    "OPSTEWARD_SCIM_DEFAULT_ROLE",
    "OPSTEWARD_SCIM_ROLES",
    "OPSTEWARD_SECRET_KEY",
    "OPSTEWARD_TASK_RETENTION",
    "OPSTEWARD_TASK_SLOTS",
    "OPSTEWARD_TASK_SLOTS_SPARE",
    "OPSTEWARD_TRUSTED_PROXIES",
    "OPSTEWARD_USERS_FULL_IMPORT_MAX_LEAVERS",
    "OPSTEWARD_VERIFY_TIMEOUT",
    "OPSTEWARD_WORKERS",
    "OPSTEWARD_WS_BUFFER",
    "OPSTEWARD_WS_STALL_TIMEOUT",
]


def _another_value(group: type[SettingsGroup], variable: str, field: str) -> str:
    """A value of the setting's type that is not its default."""
    info = group.model_fields[field]
    chosen = {
        "OPSTEWARD_TRUSTED_PROXIES": '["10.0.0.0/8"]',
        "OPSTEWARD_OIDC_ISSUER": "https://issuer.example",
        "OPSTEWARD_LOG_FORMAT": "json",
        "LOG_LEVEL": "DEBUG",
        "OPSTEWARD_METRICS_PUBLIC": "true",
        "OPSTEWARD_APPROVAL_STRICT": "true",
        "OPSTEWARD_METRICS_PORT": "9100",
        "OPSTEWARD_HOME": "/elsewhere",
    }
    if variable in chosen:
        return chosen[variable]
    if str(info.annotation) in (names := {"list[str]": '["a"]', "dict[str, str]": '{"a": "b"}'}):
        return names[str(info.annotation)]
    if "Path" in str(info.annotation):
        return '["/a"]'
    if info.annotation is int:
        return str(info.default - 1)
    return str(info.default * 0.99) if info.annotation is float else "other"


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_variable_that_installations_use_still_works(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    of_groups = [(name, field) for name, group in GROUPS.items() for v, field, _ in variables(group) if v == variable]
    assert of_groups
    before = load_settings()
    name, field = of_groups[0]
    monkeypatch.setenv(variable, _another_value(GROUPS[name], variable, field))
    after = load_settings()
    for name, field in of_groups:
        assert getattr(getattr(after, name), field) != getattr(getattr(before, name), field)


def test_a_group_gives_its_flat_names_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "opsteward.toml").write_text('notify_oncall = ["json://a"]\ntask_slots = 7\nlog_level = "DEBUG"\n')
    settings = load_settings()
    assert (settings.notify.oncall, settings.tasks.slots, settings.core.log_level) == (["json://a"], 7, "DEBUG")
    assert flat_name("OPSTEWARD_NOTIFY_ONCALL") == "notify_oncall"


def test_all_wrong_settings_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "OPSTEWARD_PLUGINS": "no json",
        "OPSTEWARD_MAX_RETRIES": "x",
        "OPSTEWARD_OIDC_ISSUER": "http://far.example",
    }
    for variable, value in wrong.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(Invalid) as refused:
        load_settings()
    assert sorted(p.field for p in refused.value.problems) == sorted(wrong)


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "opsteward.toml").write_text("port: 9001\n")
    with pytest.raises(Invalid, match=r"opsteward\.toml"):
        load_settings()


def test_a_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@h/d")
    assert "hunter2" not in repr(load_settings())
