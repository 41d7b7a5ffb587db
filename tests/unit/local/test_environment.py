from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from local import azurite_install, environment
from local.environment import SetupError, build_key, ensure, explain, interpreter, is_current, tool_environment
from local.setup import unsupported


class Builder:
    """Stands in for venv and pip: makes an interpreter's file, or stops on the way; and fetches a model."""

    def __init__(self) -> None:
        self.builds = 0
        self.fetches = 0
        self.interrupted = False

    def __call__(self, venv: Path, root: Path) -> None:
        self.builds += 1
        interpreter(venv).parent.mkdir(parents=True)
        (venv / "pyvenv.cfg").write_text("home = somewhere", "utf-8")
        if self.interrupted:
            raise KeyboardInterrupt
        interpreter(venv).write_bytes(b"")

    def fetch(self, venv: Path, root: Path) -> None:
        self.fetches += 1
        model = root / ".models" / "reader" / "inference.onnx"
        model.parent.mkdir(parents=True, exist_ok=True)
        model.write_bytes(b"weights")
        digest = azurite_install._key(root / "local" / "azurite_package")
        (root / ".cache" / "azurite" / digest).mkdir(parents=True, exist_ok=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (*environment.SOURCES, *(f"local/azurite_package/{name}" for name in azurite_install.FILES)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"this is {name}", "utf-8")
    return tmp_path


@pytest.fixture
def builder() -> Builder:
    return Builder()


@pytest.fixture
def venv(root: Path) -> Path:
    return root / ".venv"


@pytest.mark.parametrize("version", [(2, 7), (3, 10), (3, 14), (4, 0)])
def test_another_python_is_refused_in_a_sentence_that_names_it(version: tuple[int, int]) -> None:
    message = unsupported(version)

    assert message is not None
    assert "this is {}.{}.".format(*version) in message
    assert "make PYTHON=" in message


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13)])
def test_a_supported_python_is_taken(version: tuple[int, int]) -> None:
    assert unsupported(version) is None


def test_the_second_run_does_nothing(root: Path, venv: Path, builder: Builder) -> None:
    assert ensure(venv, root, builder, builder.fetch) is True
    assert ensure(venv, root, builder, builder.fetch) is False
    assert builder.builds == 1


@pytest.mark.parametrize("name", environment.SOURCES)
def test_a_changed_source_builds_anew(root: Path, venv: Path, builder: Builder, name: str) -> None:
    ensure(venv, root, builder, builder.fetch)
    (root / name).write_text("something else", "utf-8")

    assert ensure(venv, root, builder, builder.fetch) is True
    assert builder.builds == 2


def test_the_key_differs_between_python_versions(root: Path) -> None:
    assert build_key(root, (3, 11)) != build_key(root, (3, 13))
    assert build_key(root, (3, 11)) == build_key(root, (3, 11))


def test_an_interrupted_build_is_done_again_from_nothing(root: Path, venv: Path, builder: Builder) -> None:
    builder.interrupted = True
    with pytest.raises(KeyboardInterrupt):
        ensure(venv, root, builder, builder.fetch)
    half_written = venv / "lib" / "half"
    half_written.mkdir(parents=True)
    builder.interrupted = False

    assert ensure(venv, root, builder, builder.fetch) is True
    assert not half_written.exists()
    assert ensure(venv, root, builder, builder.fetch) is False


def test_an_interrupted_rebuild_does_not_leave_the_old_stamp(root: Path, venv: Path, builder: Builder) -> None:
    ensure(venv, root, builder, builder.fetch)
    original = (root / environment.LOCK).read_text("utf-8")
    (root / environment.LOCK).write_text("another lock", "utf-8")
    builder.interrupted = True
    with pytest.raises(KeyboardInterrupt):
        ensure(venv, root, builder, builder.fetch)
    (root / environment.LOCK).write_text(original, "utf-8")

    assert not is_current(venv, build_key(root), root)


@pytest.mark.parametrize("gone", [".venv/bin/python", ".models/reader/inference.onnx", ".venv/coremachine-stamp.json"])
def test_something_missing_builds_anew(root: Path, venv: Path, builder: Builder, gone: str) -> None:
    ensure(venv, root, builder, builder.fetch)
    (root / gone).unlink()

    assert ensure(venv, root, builder, builder.fetch) is True


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"key": 1}', '{"key": "KEY", "models": 5}', '{"key": "KEY", "models": ["x"]}']
)
def test_a_stamp_that_is_not_one_is_not_trusted(root: Path, venv: Path, builder: Builder, content: str) -> None:
    ensure(venv, root, builder, builder.fetch)
    key = build_key(root)
    (venv / environment.STAMP).write_text(content.replace("KEY", key), "utf-8")

    assert not is_current(venv, key, root)


@pytest.mark.parametrize("damage", [b"wei", b"weightS"])
def test_a_damaged_model_is_fetched_again_and_the_environment_stays(
    root: Path, venv: Path, builder: Builder, damage: bytes
) -> None:
    ensure(venv, root, builder, builder.fetch)
    model = root / ".models" / "reader" / "inference.onnx"
    before = model.stat()
    model.write_bytes(damage)
    os.utime(model, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert ensure(venv, root, builder, builder.fetch) is True
    assert model.read_bytes() == b"weights"
    assert (builder.builds, builder.fetches) == (1, 2)


@pytest.mark.parametrize("name", ["thesis.txt", "pyvenv.cfg"])
def test_a_folder_that_was_not_made_here_is_left_alone(root: Path, venv: Path, builder: Builder, name: str) -> None:
    venv.mkdir()
    (venv / name).write_text("years of work", "utf-8")

    with pytest.raises(SetupError, match=r"was not made by this set-up.*make VENV=DIR"):
        ensure(venv, root, builder, builder.fetch)
    assert [(inside.name, inside.read_text("utf-8")) for inside in venv.iterdir()] == [(name, "years of work")]


def test_an_empty_folder_is_taken(root: Path, venv: Path, builder: Builder) -> None:
    venv.mkdir()

    assert ensure(venv, root, builder, builder.fetch) is True


def test_an_environment_from_before_there_was_a_mark_is_ours(root: Path, venv: Path, builder: Builder) -> None:
    ensure(venv, root, builder, builder.fetch)
    (venv / environment.OWNED).unlink()
    (venv / environment.STAMP).write_text('{"key": "of another lock", "models": {"x": 5}}', "utf-8")

    assert ensure(venv, root, builder, builder.fetch) is True
    assert ensure(venv, root, builder, builder.fetch) is False


def test_a_clearing_that_is_interrupted_can_be_done_again(
    root: Path, venv: Path, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure(venv, root, builder, builder.fetch)
    (venv / environment.OWNED).unlink()
    (root / environment.LOCK).write_text("another lock", "utf-8")

    def interrupted(_: Path) -> None:
        (venv / environment.STAMP).unlink(missing_ok=True)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ensure(venv, root, builder, builder.fetch)

    assert ensure(venv, root, builder, builder.fetch) is True


def test_a_file_in_the_place_of_the_environment_is_left_alone(root: Path, venv: Path, builder: Builder) -> None:
    venv.write_text("years of work", "utf-8")

    with pytest.raises(SetupError, match="is no folder"):
        ensure(venv, root, builder, builder.fetch)
    assert venv.read_text("utf-8") == "years of work"


def test_a_full_disk_is_said_before_anything_is_removed(
    root: Path, venv: Path, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure(venv, root, builder, builder.fetch)
    (root / environment.LOCK).write_text("another lock", "utf-8")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 0))

    with pytest.raises(SetupError, match=r"1\.9 GB of disk are needed"):
        ensure(venv, root, builder, builder.fetch)
    assert interpreter(venv).exists()


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("NewConnectionError(...)\nERROR: No matching distribution found for a==1", "is there a network"),
        ("ERROR: Ignored\nERROR: No matching distribution found for a==1", "did not offer"),
        ("noise\nERROR: something new\nmore noise\n\n", "ERROR: something new"),
        ("only noise\n", "only noise"),
        ("", "it said nothing"),
    ],
)
def test_the_cause_is_said_in_one_line(output: str, cause: str) -> None:
    explained = explain(output)

    assert cause in explained
    assert "\n" not in explained


def test_pips_cache_is_in_the_clone_where_home_is_not_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))

    assert tool_environment(tmp_path, {})["PIP_CACHE_DIR"] == str(tmp_path / ".cache" / "pip")
    assert tool_environment(tmp_path, {})["npm_config_cache"] == str(tmp_path / ".cache" / "npm")
    assert tool_environment(tmp_path, {"PIP_CACHE_DIR": "chosen"})["PIP_CACHE_DIR"] == "chosen"


def test_settings_that_send_packages_elsewhere_are_dropped(tmp_path: Path) -> None:
    inherited = {"PIP_TARGET": "x", "PYTHONPATH": "y", "PIP_INDEX_URL": "kept", "HOME": os.fspath(tmp_path)}

    passed = tool_environment(tmp_path, inherited)

    assert "PIP_TARGET" not in passed
    assert "PYTHONPATH" not in passed
    assert passed["PIP_INDEX_URL"] == "kept"


def test_an_azurite_that_is_missing_or_of_another_lock_is_fetched_and_the_environment_stays(
    root: Path, venv: Path, builder: Builder
) -> None:
    ensure(venv, root, builder, builder.fetch)
    shutil.rmtree(root / ".cache" / "azurite")
    assert ensure(venv, root, builder, builder.fetch) is True
    (root / "local" / "azurite_package" / "package-lock.json").write_text("another lock", "utf-8")
    assert ensure(venv, root, builder, builder.fetch) is True
    assert ensure(venv, root, builder, builder.fetch) is False
    assert (builder.builds, builder.fetches) == (1, 3)


def test_the_stamp_names_every_model_with_its_digest(root: Path, venv: Path, builder: Builder) -> None:
    ensure(venv, root, builder, builder.fetch)

    stamp = json.loads((venv / environment.STAMP).read_text("utf-8"))
    assert stamp["models"] == {".models/reader/inference.onnx": hashlib.sha256(b"weights").hexdigest()}
