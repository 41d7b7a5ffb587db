from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ids import MAX_MESSAGE_ID
from core.postponed import LONGEST_SECONDS, postponed, times_postponed

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def delay(message_id: str, jitter: float) -> float:
    due = postponed("tasks", message_id, "task", b"{}", NOW, jitter).not_before
    assert due is not None
    return (due - NOW).total_seconds()


def test_the_copy_is_the_message_with_an_id_that_counts() -> None:
    first = postponed("tasks", "job:1:2:name:3", "task", b"body", NOW, 0.0)
    second = postponed("tasks", first.message_id, "task", b"body", NOW, 0.0)

    assert (first.queue, first.message_type, first.body) == ("tasks", "task", b"body")
    assert (first.message_id, second.message_id) == ("job:1:2:name:3:w1", "job:1:2:name:3:w2")
    assert [times_postponed(found) for found in ("job:1:2:name:3", first.message_id, second.message_id)] == [0, 1, 2]


def test_the_same_message_postponed_twice_is_one_copy_to_the_broker() -> None:
    ids = {postponed("tasks", "a:w4", "task", b"", NOW, jitter).message_id for jitter in (0.1, 0.9)}

    assert ids == {"a:w5"}


@pytest.mark.parametrize(("times", "longest"), [(0, 1.0), (1, 2.0), (5, 32.0), (6, 60.0), (1_000_000, 60.0)])
def test_the_delay_doubles_up_to_a_minute(times: int, longest: float) -> None:
    message_id = f"a:w{times}" if times else "a"

    assert (delay(message_id, 0.0), delay(message_id, 0.5)) == (longest / 2, longest * 0.75)


@given(st.text(min_size=1, max_size=MAX_MESSAGE_ID), st.floats(0, 1, exclude_max=True))
def test_any_id_can_be_postponed_again_and_again(message_id: str, jitter: float) -> None:
    seen = {message_id}
    for times in range(times_postponed(message_id) + 1, times_postponed(message_id) + 12):
        copy = postponed("tasks", message_id, "task", b"", NOW, jitter)
        message_id = copy.message_id
        assert len(message_id) <= MAX_MESSAGE_ID
        assert message_id not in seen
        assert times_postponed(message_id) == times
        assert copy.not_before is not None
        assert timedelta(0) < copy.not_before - NOW <= timedelta(seconds=LONGEST_SECONDS)
        seen.add(message_id)
