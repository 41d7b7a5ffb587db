from __future__ import annotations

import pytest

from core.decisions import FailFinally, Requeue, Transition, check_transition, refusal
from core.errors import CapacityExceeded, InvalidParameters, TextNotStorable
from core.limits import MAX_ACTOR, MAX_JSON_BYTES, check_actor, check_error, check_json, check_text
from core.model import NotClaimed, OutboundMessage, TaskStatus
from core.outcome import ErrorInfo, Succeeded

WAKEUP = OutboundMessage("tasks", "1", "task", b"")
BAD = ["\0", "a\0b", "\ud800", "ä\udfff"]
GOOD = ["", "a", "ä\u2028\x01\ufffe", "\U0001f600" * 1_000]


@pytest.mark.parametrize("text", GOOD)
def test_what_any_database_can_hold_is_taken(text: str) -> None:
    check_text(text, "text")
    check_json(text, "text")
    check_error(ErrorInfo(text, text))


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_text_to_a_database_is_refused_and_named(text: str) -> None:
    with pytest.raises(TextNotStorable, match="progress message"):
        check_text(text, "progress message")
    with pytest.raises(TextNotStorable, match="result"):
        check_json(text, "result")
    with pytest.raises(TextNotStorable, match="error code"):
        check_error(ErrorInfo(text, "message"))
    with pytest.raises(TextNotStorable, match="error message"):
        check_error(ErrorInfo("CODE", text))


@pytest.mark.parametrize(("character", "size"), [("x", 1), ("ä", 2), ("€", 3), ("\U0001f600", 4)])
def test_a_json_text_is_measured_in_bytes(character: str, size: int) -> None:
    check_json(character * (MAX_JSON_BYTES // size), "result")

    with pytest.raises(CapacityExceeded, match="result") as caught:
        check_json(character * (MAX_JSON_BYTES // size + 1), "result")
    assert caught.value.details == {"limit": MAX_JSON_BYTES}


@pytest.mark.parametrize("actor", ["", "  \t", "x" * (MAX_ACTOR + 1)])
def test_an_actor_is_somebody(actor: str) -> None:
    with pytest.raises(InvalidParameters, match="actor"):
        check_actor(actor)


def test_an_actor_is_text() -> None:
    check_actor("Zoë <zoe@example.org>")

    with pytest.raises(TextNotStorable, match="actor"):
        check_actor("a\0b")


@pytest.mark.parametrize(
    "transition",
    [
        Succeeded("a\0b"),
        FailFinally(ErrorInfo("BROKEN", "a\0b")),
        Requeue("a\0b", False),
        Requeue("retry", True, None, ErrorInfo("a\0b", "message")),
    ],
)
def test_a_transition_is_checked_in_all_its_texts(transition: Transition) -> None:
    with pytest.raises(TextNotStorable):
        check_transition(transition, WAKEUP)


def test_a_task_that_is_queued_again_needs_a_wake_up() -> None:
    check_transition(Requeue("retry", False), WAKEUP)
    check_transition(Succeeded("{}"), None)

    with pytest.raises(ValueError, match="wake-up"):
        check_transition(Requeue("retry", False), None)


def test_a_pause_refuses_only_what_would_be_granted() -> None:
    assert refusal(TaskStatus.QUEUED, 2, 2, True) is NotClaimed.PAUSED
    assert refusal(TaskStatus.QUEUED, 2, 1, True) is NotClaimed.STALE
    assert refusal(TaskStatus.RUNNING, 2, 2, True) is NotClaimed.RUNNING
    assert refusal(TaskStatus.COMPLETED, 2, 2, True) is NotClaimed.ENDED
    assert refusal(TaskStatus.QUEUED, 2, 2, False) is None
