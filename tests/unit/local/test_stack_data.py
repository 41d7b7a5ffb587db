from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from infrastructure.password_seal import parse_password_keys
from infrastructure.sealed.keys import parse_local_keys
from local.stack_data import FOLDERS, MARK, SYSTEM_FOLDER, DataFolder, Lock, default_data
from local.stack_errors import DataUnusable, StackRuns


@pytest.fixture
def data(tmp_path: Path) -> Iterator[DataFolder]:
    with closing(DataFolder(tmp_path / "deep" / "data")) as data:
        yield data


def test_keys_and_ports_stay_the_same(data: DataFolder) -> None:
    before = data.kept()
    data.keep_ports(5001, 0)
    data.keep_ports(0, 5002)
    data.close()

    with closing(DataFolder(data.path)) as again:
        kept = again.kept()
    assert replace(kept, service_bus_port=0, storage_port=0) == before
    assert (kept.service_bus_port, kept.storage_port) == (5001, 5002)


@pytest.mark.parametrize("name", ["password_key", "portal_key"])
def test_a_folder_of_before_there_was_a_key_gets_one_and_keeps_it(data: DataFolder, name: str) -> None:
    marked = json.loads((data.path / MARK).read_text("utf-8"))
    del marked[name]
    (data.path / MARK).write_text(json.dumps(marked), "utf-8")

    kept = data.kept()

    assert data.kept() == kept
    assert parse_password_keys([kept.password_key])
    assert parse_local_keys([f"local={kept.portal_key}"])


def test_the_keys_are_for_their_owner_alone_and_in_no_text(data: DataFolder) -> None:
    assert stat.S_IMODE((data.path / MARK).stat().st_mode) == 0o600
    assert stat.S_IMODE(data.own_folder("storage").stat().st_mode) == 0o700
    assert data.kept().storage_key not in repr(data.kept())


def test_clearing_removes_the_data_and_changes_the_keys(data: DataFolder) -> None:
    before = data.kept()
    for name in FOLDERS:
        data.own_folder(name).joinpath("inside").write_text("x", "utf-8")
    data.clear()

    assert not any(data.folder(name).exists() for name in FOLDERS)
    assert data.kept().storage_key != before.storage_key


def test_a_folder_of_somebody_else_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", "utf-8")
    with pytest.raises(DataUnusable, match="holds something else"):
        DataFolder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(DataUnusable, match="cannot be used"):
        DataFolder(tmp_path / "file")


def test_a_damaged_mark_is_said_with_what_helps(data: DataFolder) -> None:
    (data.path / MARK).write_text("{", "utf-8")
    with pytest.raises(DataUnusable, match="--fresh makes it anew"):
        data.kept()
    data.clear()
    assert data.kept().service_bus_port == 0


def test_a_second_stack_with_the_same_data_is_refused(data: DataFolder) -> None:
    with pytest.raises(StackRuns, match="with the data in"):
        DataFolder(data.path)


def test_a_lock_ends_with_the_last_that_inherited_it(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock", "taken")
    heir = os.dup(lock.descriptor)
    lock.close()
    with pytest.raises(StackRuns, match="taken"):
        Lock(tmp_path / "lock", "taken")
    os.close(heir)
    Lock(tmp_path / "lock", "taken").close()


def test_each_clone_has_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    one, other = (default_data(Path(f"/{name}/clone"), {"XDG_STATE_HOME": "/state"}) for name in ("a", "b"))
    assert one != other
    assert one.parent == other.parent == Path("/state/coremachine")
    assert default_data(Path("/a/clone"), {}).is_relative_to(Path("~/.local/state").expanduser())


def test_the_data_of_root_is_where_another_user_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_data(Path("/home/clone"), {"XDG_STATE_HOME": "/home/x"}).parent == SYSTEM_FOLDER


def test_a_user_without_a_home_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(Path, "expanduser", homeless)
    with pytest.raises(DataUnusable, match="--data"):
        default_data(Path("/home/clone"), {})
