"""Records as the API shows them: bounded, with what is left out told."""

from __future__ import annotations

from core.ids import JobId, task_id_for
from core.listing import DeadLetterRecord, NewDeadLetter
from core.model import TaskRecord, TaskStatus
from infrastructure.web.views import MAX_LETTER_BODY, letter_view, links_of, task_views, without_secrets
from testing.clock import EPOCH

JOB = JobId("a" * 64)


def task(name: str, size: int, result: str | None = None) -> TaskRecord:
    return TaskRecord(
        task_id=task_id_for(JOB, 1, 1, name),
        job_id=JOB,
        run=1,
        stage=1,
        name=name,
        task_type="t",
        status=TaskStatus.QUEUED,
        attempt=1,
        charged=0,
        parameters_json='{"x":"' + "y" * (size - 8) + '"}',
        result_json=result,
    )


def letter(body: bytes) -> str:
    return letter_view(DeadLetterRecord(1, NewDeadLetter("jobs", "m", "job", body, "r", "d"), EPOCH)).body


def test_a_page_shows_content_while_there_is_room_and_says_what_it_left_out() -> None:
    views = task_views([task("a", 100), task("b", 60), task("c", 60, "{}"), task("d", 20)], room=100)

    assert [bool(view.parameters) for view in views] == [True, True, False, True]
    assert [view.omitted for view in views] == [[], [], ["parameters", "result"], []]


def test_the_first_task_has_all_it_has_however_large() -> None:
    (view,) = task_views([task("a", 1_000, '{"z":1}')], room=10)

    assert view.parameters is not None
    assert (view.result, view.omitted) == ({"z": 1}, [])


def test_a_letters_body_is_text_whatever_it_is() -> None:
    assert letter(b'{"a":1}') == '{"a":1}'
    assert letter(b"\xff\x00") == "\ufffd\ufffd"


def test_a_long_body_is_cut_and_says_so() -> None:
    told = letter("é".encode() * MAX_LETTER_BODY * 3)

    assert len(told) == MAX_LETTER_BODY
    assert told.endswith("[cut]")


def test_links_are_of_the_run() -> None:
    links = links_of(JOB, 3)

    assert links.self == f"/api/jobs/status/{JOB}?run=3"
    assert {links.events, links.tasks, links.result} == {
        f"/api/jobs/{JOB}/{part}?run=3" for part in ("events", "tasks", "result")
    }


def test_passwords_and_signatures_in_addresses_are_not_shown() -> None:
    parameters = {
        "source": {"url": "https://host.example/scan.pdf?sig=secret"},
        "password": "secret",
        "pages": [1, {"password": {"sealed": "secret"}}],
        "other": {"url": "https://host.example/plain", "password": None},
    }

    assert without_secrets(parameters) == {
        "source": {"url": "https://host.example/scan.pdf?(not shown)"},
        "password": "(not shown)",
        "pages": [1, {"password": "(not shown)"}],
        "other": {"url": "https://host.example/plain", "password": None},
    }
