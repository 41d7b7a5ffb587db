"""The folder of a handler is removed, whatever the handler did to it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.scratch import Scratch

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its folders have no such modes")


def fill(scratch: Scratch) -> Path:
    locked = scratch.path / "locked" / "below"
    locked.mkdir(parents=True)
    (locked / "file").write_bytes(b"x")
    locked.chmod(0)
    locked.parent.chmod(0)
    return scratch.path


@pytest.fixture
def as_somebody() -> Iterator[Path]:
    """A folder of a user who is not root: root may enter all."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        try:
            if user == 0:
                os.seteuid(65534)
            yield Path(folder)
        finally:
            os.seteuid(user)


def test_folders_that_nobody_may_enter_are_removed(as_somebody: Path) -> None:
    with Scratch(as_somebody) as scratch:
        fill(scratch)

    assert list(as_somebody.iterdir()) == []


def test_what_a_link_leads_to_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    other.mkdir(mode=0o500)
    monkeypatch.setattr(shutil, "rmtree", lambda path, ignore_errors: None)

    with Scratch(tmp_path) as scratch:
        (scratch.path / "link").symlink_to(other)

    assert other.stat().st_mode & 0o777 == 0o500


def test_a_folder_that_stays_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shutil, "rmtree", lambda path, ignore_errors: None)

    with Scratch(tmp_path) as scratch:
        path = fill(scratch)

    assert caplog.records[-1].message == "folder_not_removed"
    assert caplog.records[-1].path == str(path)  # type: ignore[attr-defined]
