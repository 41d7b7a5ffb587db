"""``python -m local portal``: each rule with its measured value, and the file; through the API alone."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from local.client import follow
from tests.unit.local.client.commands import run
from tests.unit.local.client.fake_service import Call, FakeService, Reply, answer, error, status_body

JOB = "ab" * 32
PICTURE = b"\xff\xd8 a picture"


@pytest.fixture(autouse=True)
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow.follow, "__kwdefaults__", {"seconds": 0.0})


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "my photo.jpg"
    path.write_bytes(b"\xff\xd8 a photo")
    return path


def package(name: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as files:
        files.writestr(name, PICTURE)
        files.writestr("result.json", "{}")
    return stream.getvalue()


def result(name: str = "photo.jpg", *, passed: bool = True) -> dict[str, Any]:
    rules = [
        {"rule": "pixels", "required": "200 x 230", "measured": "200 x 230", "passed": True},
        {"rule": "bytes", "required": "10 to 100 KB", "measured": "9.9 KB", "passed": passed},
    ]
    return {
        "quality_score": 0.9,
        "rules": rules,
        "fields": [{"name": "name", "status": "missing", "value": None, "confidence": None}],
        "warnings": [{"code": "FIELD_MISSING", "value": "name"}],
        "artifacts": {"package_path": "output/x/y/1_output.zip.enc", "image": {"name": name, "bytes": len(PICTURE)}},
    }


def serve(service: FakeService, made: dict[str, Any], name: str = "photo.jpg") -> None:
    link = {"raw_path": "raw/x/y/1_my_photo.jpg.enc", "upload_url": f"{service.url}/blob?sig=secret"}
    ended = {"job_id": JOB, "run": 1, "status": "completed", "result": made, "error": None}
    service.routes = {
        "POST /api/portal/uploads": lambda _: answer(201, {**link, "upload_headers": {"x-ms-blob-type": "BlockBlob"}}),
        "PUT /blob": lambda _: Reply(201),
        "POST /api/portal/uploads/confirm": lambda _: answer(200, {}),
        "POST /api/jobs/submit/process_document": lambda _: answer(202, status_body(JOB)),
        "GET /api/jobs/.*/result": lambda _: answer(200, ended),
        "POST /api/portal/downloads": lambda _: answer(201, {"download_url": f"{service.url}/package?sig=secret"}),
        "GET /package": lambda _: Reply(200, package(name)),
    }


def portal(service: FakeService, photo: Path, *more: object) -> tuple[int, str, str]:
    output = photo.parent / "out"
    return run("portal", photo, "--schema", "NEET 2026", "--url", service.url, "--output", output, *more)


def called(service: FakeService, path: str) -> Call:
    return next(call for call in service.calls if call.path == path)


def test_each_rule_is_told_and_the_file_is_there(service: FakeService, photo: Path) -> None:
    serve(service, result())

    code, out, err = portal(service, photo)

    assert (code, err) == (0, "")
    assert "pass  pixels  200 x 230  (200 x 230)" in out
    assert "pass  bytes   9.9 KB  (10 to 100 KB)" in out
    assert "field name, missing" in out
    assert (photo.parent / "out" / "photo.jpg").read_bytes() == PICTURE
    assert "secret" not in out


def test_the_photo_goes_to_the_link_and_the_schema_by_its_name(service: FakeService, photo: Path) -> None:
    serve(service, result())

    portal(service, photo, "--schema-version", "3", "--text")

    assert called(service, "/blob").body == photo.read_bytes()
    assert called(service, "/blob").headers["x-ms-blob-type"] == "BlockBlob"
    begun = called(service, "/api/portal/uploads").json
    params = called(service, "/api/jobs/submit/process_document").json["params"]
    assert params["portal_schema"] == {"name": "NEET 2026", "version": 3}
    assert params["input"] == {
        "raw_path": "raw/x/y/1_my_photo.jpg.enc",
        "mime_type": "image/jpeg",
        "original_filename": "my photo.jpg",
    }
    assert (params["user_id"], params["job_id"]) == (begun["user_id"], begun["job_id"])
    assert params["options"] == {"text": True}
    assert called(service, "/api/portal/uploads/confirm").json["raw_path"] == "raw/x/y/1_my_photo.jpg.enc"


def test_a_rule_that_is_not_met_is_told(service: FakeService, photo: Path) -> None:
    serve(service, result(passed=False))

    code, out, _ = portal(service, photo)

    assert code == 1
    assert "FAIL  bytes   9.9 KB  (10 to 100 KB)" in out


def test_scripts_get_an_object_a_line(service: FakeService, photo: Path) -> None:
    serve(service, result())

    _, out, _ = portal(service, photo, "--json")

    told = [json.loads(line) for line in out.splitlines()]
    assert [one["event"] for one in told if one["event"] != "progress"][-5:] == [
        "rule",
        "rule",
        "field",
        "warning",
        "file",
    ]


def test_why_a_job_failed_is_told(service: FakeService, photo: Path) -> None:
    serve(service, result())
    why = {"code": "SIZE_EXCEEDED", "message": "no encoding is small enough", "retryable": False}
    failed = status_body(JOB, "failed", error=why)
    service.routes["POST /api/jobs/submit/process_document"] = lambda _: answer(202, failed)

    code, _, err = portal(service, photo)

    assert code == 1
    assert "SIZE_EXCEEDED: no encoding is small enough" in err


def test_a_name_of_the_service_leads_nowhere_else(service: FakeService, photo: Path) -> None:
    serve(service, result("../../escaped.jpg"), "../../escaped.jpg")

    portal(service, photo)

    assert [path.name for path in (photo.parent / "out").iterdir()] == ["escaped.jpg"]


@pytest.mark.parametrize("step", ["PUT /blob", "GET /package"])
def test_a_link_that_is_refused_is_told_without_the_link(service: FakeService, photo: Path, step: str) -> None:
    serve(service, result())
    service.routes[step] = lambda _: Reply(403, b"AuthenticationFailed")

    code, out, err = portal(service, photo)

    assert code == 1
    assert "the storage answered 403" in err
    assert "secret" not in out + err


def test_a_schema_that_is_not_there_is_told(service: FakeService, photo: Path) -> None:
    serve(service, result())
    refused = error(404, "PORTAL_SCHEMA_NOT_FOUND", "there is no such schema")
    service.routes["POST /api/jobs/submit/process_document"] = lambda _: refused

    code, _, err = portal(service, photo)

    assert code == 1
    assert "PORTAL_SCHEMA_NOT_FOUND" in err


def test_a_photo_that_is_not_there_is_told_before_anything_is_sent(service: FakeService, tmp_path: Path) -> None:
    code, _, err = portal(service, tmp_path / "none.jpg")

    assert code == 1
    assert "none.jpg" in err
    assert service.calls == []
