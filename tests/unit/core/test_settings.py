"""Settings: environment over file over default; a wrong one is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsteward.core.errors import Invalid
from opsteward.core.settings import Settings, env_name, load_settings


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_environment_wins_over_file_wins_over_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "opsteward.toml").write_text("port = 9001\nworkers = 3\n")
    monkeypatch.setenv("OPSTEWARD_PORT", "9002")
    settings = load_settings(home=tmp_path)
    assert (settings.port, settings.workers, settings.recovery_passes) == (9002, 3, 2)


def test_the_file_may_lie_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "opsteward.toml").write_text("workers = 7\n")
    monkeypatch.setenv("OPSTEWARD_HOME", str(home))
    assert load_settings().workers == 7


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
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
    assert len({env_name(name) for name in Settings.model_fields}) == len(Settings.model_fields)


def test_a_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@h/d")
    assert "hunter2" not in repr(load_settings())
