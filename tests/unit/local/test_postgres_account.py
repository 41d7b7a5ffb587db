from __future__ import annotations

import os
from pathlib import Path

import pytest

from local import postgres_account
from local.postgres_account import account_for, environment
from local.postgres_errors import NotPermitted, PostgresError


def test_settings_of_the_environment_stay_out() -> None:
    inherited = {
        "PATH": "/bin",
        "PGPORT": "1",
        "PGOPTIONS": "-c fsync=off",
        "LANG": "xx",
        "LC_TIME": "xx",
        "HOME": "/h",
    }

    assert environment(inherited) == {"PATH": "/bin", "HOME": "/h", "LC_ALL": "C"}


def test_another_than_root_is_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1234567)

    account = account_for(tmp_path)

    assert (account.name, account.uid, account.gid) == ("1234567", None, None)


def test_root_is_nobody_for_a_new_data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    account = account_for(tmp_path / "new")

    assert account.name == "nobody"
    assert account.uid


def test_without_nobody_root_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgres_account, "UNPRIVILEGED", "no such user")

    with pytest.raises(NotPermitted, match="add one"):
        account_for(tmp_path / "new")


def test_on_windows_a_server_has_to_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_account, "pwd", None)

    with pytest.raises(PostgresError, match="DATABASE_URL"):
        account_for(tmp_path)
