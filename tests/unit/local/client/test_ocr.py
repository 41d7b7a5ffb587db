"""``python -m local ocr``: what comes out for each file, and the exit code."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from local.client import follow, reading
from local.client.reading import Document, Options, Reading
from tests.unit.local.client.commands import run
from tests.unit.local.client.fake_service import TEXT, Call, FakeService, Reply, answer, error, stage, status_body

RUNNING = {"status": "processing", "stages": [stage(2, "recognise", "running", 4, 1)], "percent": 30.0}
DONE = {"status": "completed", "percent": 100.0}


@pytest.fixture(autouse=True)
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow.follow, "__kwdefaults__", {"seconds": 0.0})


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"page{number}.png" for number in range(3)]
    for path in paths:
        path.write_bytes(b"\x89PNG " + path.name.encode())
    return paths


def ocr(service: FakeService, files: list[Path], *more: object) -> tuple[int, str, str]:
    return run("ocr", *files, "--url", service.url, "--output", files[0].parent / "out", *more)


def records(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_every_file_is_read_into_the_folder(service: FakeService, files: list[Path]) -> None:
    service.script = [RUNNING, RUNNING, DONE]

    code, out, err = ocr(service, files)

    assert (code, err) == (0, "")
    assert "3 of 3 read" in out
    assert "recognise" in out
    names = sorted(path.name for path in (files[0].parent / "out").iterdir())
    assert names == sorted(f"page{n}{end}" for n in range(3) for end in (".txt", ".json", "-0001.jpg"))
    assert (files[0].parent / "out" / "page0.txt").read_bytes() == TEXT
    assert sorted(service.sent.values()) == sorted(path.read_bytes() for path in files)


def test_scripts_get_an_object_a_line_with_a_summary_at_the_end(service: FakeService, files: list[Path]) -> None:
    service.script = [RUNNING, DONE]

    code, out, _ = ocr(service, files, "--json")
    told = records(out)

    assert code == 0
    assert {"event": "summary", "files": 3, "read": 3, "failed": 0}.items() <= told[-1].items()
    documents = [one for one in told if one["event"] == "document"]
    assert {Path(one["file"]).name for one in documents} == {path.name for path in files}
    assert all(Path(file).is_file() for one in documents for file in one["files"])
    assert any(one["event"] == "progress" and one["percent"] == 30.0 for one in told)


def test_quiet_says_nothing_where_all_goes_well(service: FakeService, files: list[Path]) -> None:
    assert ocr(service, files, "--quiet") == (0, "", "")


def test_what_cannot_be_sent_is_told_and_the_others_are_read(service: FakeService, files: list[Path]) -> None:
    empty, folder = files[0].parent / "empty.png", files[0].parent
    empty.touch()

    code, out, _ = ocr(service, [*files, empty, folder, Path("missing.png"), Path("nul\0.png")])

    assert code == 1
    for said in ("empty.png is empty", "is a folder", "missing.png: No such file", "3 of 7 read"):
        assert said in out


def test_the_same_file_twice_is_read_once(service: FakeService, files: list[Path]) -> None:
    ocr(service, [files[0], files[0], files[0].parent / "." / files[0].name])

    assert len(service.paths("POST")) == 1


def test_a_job_that_fails_is_told_with_its_error(service: FakeService, files: list[Path]) -> None:
    failure = {"code": "PAGE_TOO_LARGE", "message": "page 1 \x1b[2J", "retryable": False}
    service.script = [{"status": "failed", "error": failure}]

    code, out, _ = ocr(service, files[:1])

    assert code == 1
    assert "PAGE_TOO_LARGE: page 1 \\x1b[2J" in out
    assert "0 of 1 read" in out
    assert "replay" not in out
    assert f"--again, or python -m local replay {next(iter(service.sent))[:12]}" in ocr(service, files[:1])[1]


def test_a_refused_upload_has_its_request_id_and_the_others_go_on(service: FakeService, files: list[Path]) -> None:
    def take(call: Call) -> Reply:
        return error(415, "UNSUPPORTED_DOCUMENT") if b"page1" in call.body else service._take(call)

    service.routes["POST /api/documents"] = take

    code, out, _ = ocr(service, files)

    assert code == 1
    assert "UNSUPPORTED_DOCUMENT: no (request req-7)" in out
    assert "2 of 3 read" in out


def test_a_service_that_is_not_there_is_exit_code_3(files: list[Path]) -> None:
    code, out, _ = run("ocr", *files, "--url", "http://127.0.0.1:9", "--output", files[0].parent / "out")

    assert code == 3
    assert "python -m local up" in out
    assert not (files[0].parent / "out").exists()


def test_a_wrong_key_is_exit_code_2_and_is_tried_once_a_place(service: FakeService, files: list[Path]) -> None:
    service.key = "right"

    code, out, _ = ocr(service, files, "--key", "k3y-of-another", "--jobs", 1)

    assert code == 2
    assert len(service.calls) == 1
    assert "k3y-of-another" not in out


def test_what_was_read_before_is_told_as_such_and_again_reads_it_anew(service: FakeService, files: list[Path]) -> None:
    ocr(service, files[:1])
    _, second, _ = ocr(service, files[:1])
    _, third, _ = ocr(service, files[:1], "--again")

    assert "read before" in second
    assert "read before" not in third
    assert len(service.sent) == 2


def test_options_become_the_query(service: FakeService, files: list[Path]) -> None:
    ocr(service, files[:1], "--quality", "fast", "--no-preview", "--tenant", "t1")

    query = next(call.query for call in service.calls if call.method == "POST")
    assert query == {"filename": "page0.png", "quality": "fast", "preview": "false", "tenant": "t1"}


def test_no_more_than_asked_for_are_under_way_at_once(service: FakeService, files: list[Path]) -> None:
    service.script = [RUNNING, RUNNING, RUNNING, DONE]
    under_way: set[str] = set()
    most = 0
    lock = threading.Lock()

    def take(call: Call) -> Reply:
        nonlocal most
        reply = service._take(call)
        with lock:
            under_way.add(json.loads(reply.body)["job_id"])
            most = max(most, len(under_way))
        return reply

    def result(call: Call) -> Reply:
        job_id = call.path.split("/")[3]
        with lock:
            under_way.discard(job_id)
        return answer(200, service._result(job_id))

    service.routes = {"POST /api/documents": take, "GET /api/jobs/.*/result": result}

    assert ocr(service, files, "--jobs", 2)[0] == 0
    assert most <= 2


@pytest.mark.parametrize("wrong", [["--jobs", "0"], ["--quality", "best"], ["--json", "--quiet"]])
def test_wrong_use_is_exit_code_2(files: list[Path], wrong: list[str]) -> None:
    assert run("ocr", files[0], *wrong)[0] == 2


def test_ctrl_c_leaves_the_jobs_and_says_how_to_go_on(
    service: FakeService, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    service.script = [RUNNING]
    shown = []

    def interrupting(self: object, row: Any) -> None:
        shown.append(row)
        if row.percent == 30.0:
            raise KeyboardInterrupt

    monkeypatch.setattr("local.client.board.LineBoard.show", interrupting)

    code, out, _ = ocr(service, files[:1])

    job = next(iter(service.sent))[:12]
    assert code == 130
    assert f"python -m local jobs {job} --follow" in out
    assert f"python -m local cancel {job}" in out


def test_a_failure_of_our_own_ends_no_reading_without_an_end(
    service: FakeService, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    monkeypatch.setattr(reading, "check_file", lambda _: None)
    read = Reading(None, Options(files[0].parent, at_once=2), lambda _: False)  # type: ignore[arg-type]

    told = list(read.run([Document(path, path.stem, str(path)) for path in files]))

    assert sum(isinstance(one, reading.Outcome) for one in told) == 3


def test_names_that_no_service_takes_are_sent_as_others(service: FakeService, tmp_path: Path) -> None:
    path = tmp_path / "a\nb\\c.png"
    path.write_bytes(b"x")

    assert ocr(service, [path])[0] == 0
    assert next(call.query["filename"] for call in service.calls if call.method == "POST") == "a_b_c.png"


def test_a_service_that_goes_away_meanwhile_is_exit_code_3(service: FakeService, files: list[Path]) -> None:
    service.routes["GET /api/jobs/status/.*"] = lambda _: Reply(200, json.dumps(status_body("x", "completed")).encode())
    service.routes["GET /api/jobs/.*/result"] = lambda _: Reply(200, b"what?")

    assert ocr(service, files[:1])[0] == 3
