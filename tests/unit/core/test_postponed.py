from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ids import MAX_MESSAGE_ID
from core.postponed import LONGEST_SECONDS, is_postponed, postponed

NOW = datetime(2026, 1, 1, tzinfo=UTC)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def put_off(message_id: str, now: datetime, longest: float = LONGEST_SECONDS) -> tuple[str, datetime]:
    copy = postponed("tasks", message_id, "task", b"{}", now, longest)
    assert copy.not_before is not None
    return copy.message_id, copy.not_before


def when_due(
    message_id: str, times: int, now: datetime, longest: float = LONGEST_SECONDS
) -> list[tuple[str, datetime]]:
    """Copies, each put off again at the moment it was due at."""
    copies = []
    for _ in range(times):
        message_id, now = put_off(message_id, now, longest)
        copies.append((message_id, now))
    return copies


def test_the_copy_is_the_message_with_an_id_that_says_when_it_is_due() -> None:
    first = postponed("tasks", "job:1:2:name:3", "task", b"body", NOW)
    second = postponed("tasks", first.message_id, "task", b"body", NOW)

    assert (first.queue, first.message_type, first.body) == ("tasks", "task", b"body")
    assert first.message_id == f"job:1:2:name:3:w0-{NOW.timestamp() + 1:.0f}"
    assert second.message_id.startswith("job:1:2:name:3:w1-")
    assert [is_postponed(one) for one in ("job:1:2:name:3", first.message_id, second.message_id)] == [False, True, True]


@given(st.text(min_size=1, max_size=MAX_MESSAGE_ID), moments)
def test_the_pause_doubles_up_to_the_longest(message_id: str, now: datetime) -> None:
    for step, (copy_id, due) in enumerate(when_due(message_id, 10, now)):
        pause = min(2.0**step, LONGEST_SECONDS)
        assert timedelta(seconds=pause / 2) <= due - now < timedelta(seconds=1.5 * pause), copy_id
        now = due


@given(st.text(min_size=1, max_size=MAX_MESSAGE_ID), moments, st.lists(st.floats(-3_000, 3_000), min_size=1))
def test_no_id_comes_twice_however_clocks_differ(message_id: str, now: datetime, skews: list[float]) -> None:
    """By less than an hour; the broker's own is what says when a copy is due."""
    seen, real = {message_id}, now
    for skew in skews:
        copy_id, due = put_off(message_id, real + timedelta(seconds=skew / 2))
        assert len(copy_id) <= MAX_MESSAGE_ID
        assert copy_id != message_id
        seen.add(copy_id)
        message_id, real = copy_id, max(real, due)
    assert len(seen) == len(skews) + 1


@given(
    st.text(min_size=1, max_size=MAX_MESSAGE_ID), moments, st.floats(0, 3_600), st.sampled_from([LONGEST_SECONDS, 128])
)
def test_two_copies_of_a_message_soon_are_one_to_the_broker(
    message_id: str, now: datetime, later: float, longest: float
) -> None:
    old = when_due(message_id, 120, now, longest)
    new = when_due(message_id, 20, now + timedelta(seconds=later), longest)

    soon = now + timedelta(seconds=later + 5 * longest)
    assert {one for one in new if one[1] > soon} <= set(old)


def test_what_was_put_off_longer_for_another_reason_is_soon_due_as_the_others() -> None:
    waited = when_due("a", 12, NOW, 128)[-1]
    once = put_off(waited[0], waited[1], 64)

    assert once[1] - waited[1] < timedelta(seconds=96)
    assert put_off(once[0], once[1], 128)[0] == put_off(waited[0], waited[1] + timedelta(seconds=60), 128)[0]


def test_the_same_message_postponed_twice_is_one_copy_to_the_broker() -> None:
    ids = {put_off("a:w6-1767225600", NOW + timedelta(seconds=seconds))[0] for seconds in (0.0, 0.5, 1.0)}

    assert len(ids) == 1


def test_messages_that_are_put_off_together_are_due_at_moments_of_their_own() -> None:
    due = Counter(when_due(f"task-{n:04}", 12, NOW, 128)[-1][1] for n in range(1_000))

    assert len(due) > 100
    assert max(due.values()) < 25


@pytest.mark.parametrize("message_id", ["a:w9-9999999999", "a:w0-0000000000"])
def test_a_time_that_a_stranger_wrote_is_not_waited_for(message_id: str) -> None:
    assert put_off(message_id, NOW)[1] - NOW < timedelta(seconds=1.5 * LONGEST_SECONDS)
