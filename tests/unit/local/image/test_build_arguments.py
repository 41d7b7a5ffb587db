from __future__ import annotations

from pathlib import Path

from local.image.__main__ import build_arguments
from local.image.dockerfile import Base
from local.image.machine import Handed

BASE = Base("python:3.11.15-slim-bookworm", "sha256:" + "0a" * 32, "3.11", "bookworm")
HANDED = Handed("[global]\nindex-url = https://index.test/simple\n", (Path("/etc/ca.crt"),), None)


def test_the_base_is_asked_for_by_its_tag_since_a_stand_in_has_another_digest(tmp_path: Path) -> None:
    given = build_arguments(BASE, HANDED, "1234abcd", tmp_path, tmp_path / "sources.list")

    assert "--build-arg=BASE=python:3.11.15-slim-bookworm" in given
    assert "--build-arg=REVISION=1234abcd" in given


def test_what_this_machine_hands_in_is_mounted_read_only_or_a_secret_and_in_no_argument(tmp_path: Path) -> None:
    given = build_arguments(BASE, HANDED, "1234abcd", tmp_path, tmp_path / "sources.list")

    assert f"--secret=id=pip.conf,src={tmp_path}/pip.conf" in given
    assert (tmp_path / "pip.conf").read_text("utf-8") == HANDED.pip_conf
    assert {word for word in given if word.startswith("--volume")} == {
        f"--volume={tmp_path}/sources.list:/etc/apt/sources.list:ro",
        "--volume=/etc/ca.crt:/etc/ca.crt:ro",
    }
    assert not [word for word in given if "index.test" in word]
