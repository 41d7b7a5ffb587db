"""Results on the disk: names of our own, files that are whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.client.address import Service
from local.client.api import Api
from local.client.errors import ClientError, ServiceNotReached
from local.client.http import Http
from local.client.records import Artifact
from local.client.results import file_name, output_names, save, write_whole
from tests.unit.local.client.fake_service import TEXT, FakeService, Reply

JOB = "a" * 64


def api(service: FakeService) -> Api:
    return Api(Http(Service(service.url), lambda _: False))


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["a.png", "b.png"], ["a", "b"]),
        (["x/a.png", "a.jpg"], ["a.png", "a.jpg"]),
        (["x/a.png", "y/a.png"], ["a.png", "a.png-2"]),
        (["A.png", "a.jpg"], ["A.png", "a.jpg"]),
        ([".hidden"], [".hidden"]),
    ],
)
def test_each_document_has_a_name_of_its_own(files: list[str], names: list[str]) -> None:
    assert output_names([Path(file) for file in files]) == names


@given(st.lists(st.from_regex(r"\A[ab]{1,2}(\.[ab])?(-2)?\Z"), max_size=12))
def test_no_two_documents_share_a_name(files: list[str]) -> None:
    names = output_names([Path(f"{number}/{file}") for number, file in enumerate(files)])

    assert len({name.casefold() for name in names}) == len(files)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "a/../../b.sh", "x.\x1b[31m", "..", "a.jpg/../../c", "a" * 400]
)
def test_no_name_of_the_service_becomes_a_path(name: str) -> None:
    found = file_name("scan", Artifact(kind="preview", name=name, page=1))

    assert found.startswith("scan-0001.")
    assert "/" not in found
    assert found.isprintable()


def test_text_json_and_pictures_are_saved_with_their_pages(service: FakeService, tmp_path: Path) -> None:
    result = service._result(JOB)["result"]

    saved = save(api(service), JOB, result, tmp_path / "out", "scan")

    assert [file.name for file in saved.files] == ["scan.txt", "scan.json", "scan-0001.jpg"]
    assert (tmp_path / "out" / "scan.txt").read_bytes() == TEXT
    assert (saved.pages, saved.confidence, saved.text) == (1, 0.98, tmp_path / "out" / "scan.txt")


def test_fewer_bytes_than_the_result_says_are_no_file(service: FakeService, tmp_path: Path) -> None:
    service.routes["GET .*/files/.*"] = lambda _: Reply(200, b"Hel")

    with pytest.raises(ClientError, match="3 bytes of 14"):
        save(api(service), JOB, service._result(JOB)["result"], tmp_path, "scan")
    assert list(tmp_path.iterdir()) == []


def test_a_result_of_another_kind_is_not_the_services(service: FakeService, tmp_path: Path) -> None:
    with pytest.raises(ServiceNotReached):
        save(api(service), JOB, {"artifacts": [{"what": 1}]}, tmp_path, "scan")


def test_an_older_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")

    def breaking() -> Iterator[bytes]:
        yield b"new"
        raise ServiceNotReached("gone")

    with pytest.raises(ServiceNotReached):
        write_whole(path, breaking())
    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["a.txt"]
