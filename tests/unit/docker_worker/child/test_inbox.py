"""One frame at a time, from the thread that reads for the one that works."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from docker_worker.child.inbox import Inbox
from docker_worker.child.protocol import Began

ONE, TWO = Began(number=1), Began(number=2)


def put_all(inbox: Inbox, frames: Sequence[Began]) -> None:
    for frame in frames:
        inbox.put(frame)


def test_what_was_put_is_taken_in_order() -> None:
    inbox = Inbox()
    reader = threading.Thread(target=put_all, args=(inbox, [ONE, TWO]))
    reader.start()

    assert (inbox.take(30), inbox.take(30)) == (ONE, TWO)
    reader.join()


def test_who_floods_is_held_up_until_the_frames_are_not_wanted() -> None:
    inbox = Inbox()
    reader = threading.Thread(target=put_all, args=(inbox, [TWO] * 1_000))
    reader.start()
    assert inbox.take(30) == TWO
    assert reader.is_alive()

    inbox.abandon()

    reader.join(30)
    assert not reader.is_alive()
    assert inbox.take(0) is None


def test_what_was_said_before_the_end_is_still_taken() -> None:
    inbox = Inbox()
    inbox.put(ONE)
    inbox.finish()

    assert inbox.take(30) == ONE
    assert inbox.take(30) is None


def test_nothing_in_time_is_nothing() -> None:
    assert Inbox().take(0) is None
