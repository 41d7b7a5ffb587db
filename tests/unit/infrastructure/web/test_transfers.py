"""Uploads and downloads by link over HTTP: what is answered, and with which status what is wrong is refused."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from handlers.portal.paths import build, check_raw_path, incoming_of, output_path, raw_path
from tests.support.sealed import DOCUMENT, JOB, OTHER_USER, OWNER, USER, sealed_store
from tests.support.web import World, web_world

UPLOAD = {"user_id": USER, "job_id": JOB, "filename": "photo.jpg"}
RAW = raw_path(USER, JOB, 1, "photo.jpg")
OUTPUT = output_path(USER, JOB, 1)


@pytest.fixture
def world() -> World:
    return web_world()


@pytest.fixture
def client(world: World) -> TestClient:
    return world.client()


def refusal(client: TestClient, route: str, body: dict[str, Any]) -> tuple[int, str]:
    answer = client.post(route, json=body)
    assert str(body.get("raw_path", "...")) not in answer.text
    return answer.status_code, answer.json()["error"]["code"]


def test_an_upload_is_begun_confirmed_and_downloaded(world: World, client: TestClient) -> None:
    begun = client.post("portal/uploads", json=UPLOAD)
    raw = begun.json()["raw_path"]
    incoming = build(incoming_of(check_raw_path(raw)))
    world.blobs.put(incoming, b"a photo", "image/jpeg")

    confirmed = client.post("portal/uploads/confirm", json={"user_id": USER, "raw_path": raw})
    again = client.post("portal/uploads/confirm", json={"user_id": USER, "raw_path": raw})
    down = client.post("portal/downloads", json={"user_id": USER, "path": raw, "filename": "mine.jpg"})

    assert (begun.status_code, begun.headers["Cache-Control"]) == (201, "no-store")
    assert begun.json()["upload_url"] == f"write:{incoming}:900"
    assert begun.json()["upload_headers"] == {"x-ms-blob-type": "BlockBlob"}
    assert (confirmed.status_code, confirmed.json()["size"], again.json()) == (200, 7, confirmed.json())
    assert (down.status_code, down.json()["size"]) == (201, 7)
    assert down.json()["download_url"].startswith(f"read:outgoing/{USER}/{DOCUMENT}/")
    assert down.json()["download_url"].endswith(":mine.jpg")
    assert down.json()["expires_at"] == begun.json()["expires_at"]


@pytest.mark.parametrize(
    "change",
    [
        {"user_id": "me"},
        {"user_id": USER.upper()},
        {"user_id": USER + "\n"},
        {"job_id": USER.replace("-4c57-", "-1c57-")},
        {"filename": ""},
        {"filename": "../a"},
        {"filename": ".a"},
        {"filename": "a\n"},
        {"filename": "a" * 129},
        {"expires": 1},
    ],
)
def test_an_upload_that_no_path_could_hold_is_refused(client: TestClient, change: dict[str, Any]) -> None:
    assert refusal(client, "portal/uploads", {**UPLOAD, **change}) == (422, "INVALID_PARAMETERS")


def test_what_did_not_come_is_404_what_is_empty_422_and_what_is_too_large_413() -> None:
    world = web_world()
    client, incoming = world.client(), build(incoming_of(check_raw_path(RAW)))
    body = {"user_id": USER, "raw_path": RAW}

    assert refusal(client, "portal/uploads/confirm", body) == (404, "UPLOAD_MISSING")
    world.blobs.put(incoming, b"", "image/jpeg")
    assert refusal(client, "portal/uploads/confirm", body) == (422, "UPLOAD_EMPTY")
    world.blobs.put(incoming, bytes(64 * 1024 * 1024 + 1), "image/jpeg")
    assert refusal(client, "portal/uploads/confirm", body) == (413, "DOCUMENT_TOO_LARGE")


@pytest.mark.parametrize(("route", "name"), [("portal/uploads/confirm", "raw_path"), ("portal/downloads", "path")])
def test_a_path_of_another_user_is_403_and_one_of_nothing_400(client: TestClient, route: str, name: str) -> None:
    assert refusal(client, route, {"user_id": OTHER_USER, name: RAW}) == (403, "SEALED_OWNER_WRONG")
    for path in ("x", "../" + RAW, RAW + "\n", RAW.replace("raw/", "incoming/").replace(".enc", ".part")):
        assert refusal(client, route, {"user_id": USER, name: path}) == (400, "STORAGE_PATH_INVALID")


def test_a_download_of_what_is_not_there_is_404_and_of_what_is_damaged_500(world: World, client: TestClient) -> None:
    body = {"user_id": USER, "path": OUTPUT}

    assert refusal(client, "portal/downloads", body) == (404, "BLOB_NOT_FOUND")
    sealed_store(world.blobs).put(OUTPUT, [b"a package"], OWNER, 100)
    world.blobs.put(OUTPUT, world.blobs.get(OUTPUT)[:-1], "application/octet-stream")
    assert refusal(client, "portal/downloads", body) == (500, "SEALED_DAMAGED")
    assert list(world.blobs.names("outgoing/")) == []
