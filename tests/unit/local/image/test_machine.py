from __future__ import annotations

from pathlib import Path

import pytest

from local.image import machine
from local.image.errors import ToolsMissing
from local.image.machine import PROGRAMS, Handed, local_paths, mirror_of, pip_settings, traces


def test_all_that_is_missing_is_named_with_its_package() -> None:
    with pytest.raises(ToolsMissing, match=r"apt-get install buildah debootstrap$"):
        machine.check(lambda program: None if program in {"buildah", "debootstrap"} else program, user=0)


def test_anybody_but_root_is_told_so() -> None:
    with pytest.raises(ToolsMissing, match="root is needed"):
        machine.check(str, user=1000)


def test_with_all_programs_root_may_go_on() -> None:
    machine.check({program: f"/usr/bin/{program}" for program in PROGRAMS}.get, user=0)


def test_pip_settings_are_those_that_say_where_packages_are_and_the_environment_goes_first() -> None:
    listed = (
        ":env:.index-url='https://index.test/simple'\n"
        ":env:.disable-pip-version-check='1'\n"
        "global.cert='/etc/ca.crt'\n"
        "global.extra-index-url='file:///mirror/simple\\nhttps://more.test/simple'\n"
        "global.index-url='https://other.test/simple'\n"
        "install.user='true'\n"
    )

    assert pip_settings(listed) == {
        "cert": "/etc/ca.crt",
        "extra-index-url": "file:///mirror/simple https://more.test/simple",
        "index-url": "https://index.test/simple",
    }


def test_paths_of_this_machine_are_those_that_exist_and_an_index_brings_its_parent(tmp_path: Path) -> None:
    for name in ("mirror/simple", "wheels"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "ca.crt").touch()
    settings = {
        "cert": f"{tmp_path}/ca.crt",
        "client-cert": f"{tmp_path}/none.crt",
        "find-links": f"{tmp_path}/wheels https://links.test/",
        "extra-index-url": f"file://{tmp_path}/mirror/simple",
        "index-url": "https://index.test/simple",
    }

    assert local_paths(settings) == (tmp_path / "ca.crt", tmp_path / "mirror", tmp_path / "wheels")


def test_the_mirror_is_the_suites_own() -> None:
    targets = (
        "bookworm-security main http://debian.test/security/\n"
        "bookworm contrib http://debian.test/other/\n"
        "bookworm main http://debian.test/debian/\n"
        "nodistro\n"
    )

    assert mirror_of(targets, "bookworm") == "http://debian.test/debian"
    assert mirror_of(targets, "trixie") is None


def test_an_address_that_was_handed_in_is_found_where_it_was_kept() -> None:
    handed = Handed("[global]\nindex-url = https://index.test/simple\nretries = 5\n", (), "http://debian.test/debian")

    assert traces(handed, ["PIP_INDEX_URL=https://index.test/simple", "deb http://debian.test/debian x main"]) == [
        "http://debian.test/debian",
        "https://index.test/simple",
    ]
    assert traces(handed, ["5", "index.test"]) == []
