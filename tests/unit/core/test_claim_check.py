"""Bodies over the limit go by a blob and come back whole; a reference that leads nowhere is poison."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.claim_check import FOLDER, MAX_REFERENCE, ClaimCheckBus, claim_in, claim_name, claim_of
from core.errors import (
    BlobStoreUnavailable,
    BusUnavailable,
    ClaimLost,
    MessageInvalid,
    MessageTooLarge,
    MessageVersionUnsupported,
)
from core.ids import MAX_MESSAGE_ID, JobId, bounded_message_id, task_id_for, task_message_id
from core.model import OutboundMessage
from testing.clock import FakeClock
from testing.contracts.message_bus import BusUnderTest, MessageBusContract
from testing.memory_blobs import MemoryBlobStore
from testing.mock_bus import MockServiceBusRepository, QueueRules

JOB = JobId("0123456789abcdef" * 4)
LIMIT = 2_000
BIG = b"x" * (LIMIT + 1)


class AwayBlobs(MemoryBlobStore):
    """Blobs that can be taken away."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False

    def put(self, name: str, data: bytes, content_type: str) -> None:
        self._check()
        super().put(name, data, content_type)

    def get(self, name: str) -> bytes:
        self._check()
        return super().get(name)

    def size(self, name: str) -> int:
        self._check()
        return super().size(name)

    def _check(self) -> None:
        if self.away:
            raise BlobStoreUnavailable("away")


class Scene:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.blobs = AwayBlobs()
        self.inner = MockServiceBusRepository(self.clock)
        self.bus = ClaimCheckBus(self.inner, self.blobs, self.clock, LIMIT, max_bytes=10 * LIMIT)

    def send(self, body: bytes, message_id: str = f"{JOB}:1:1:a:1") -> None:
        self.bus.send([OutboundMessage("tasks", message_id, "task", body)])

    def names(self) -> list[str]:
        return list(self.blobs.names(FOLDER))


@pytest.fixture
def scene() -> Scene:
    return Scene()


class TestClaimCheckBus(MessageBusContract):
    """It is a bus as others are, but for what is too large."""

    @pytest.fixture
    def under_test(self) -> BusUnderTest:
        clock, rules = FakeClock(), QueueRules()
        return BusUnderTest(
            bus=ClaimCheckBus(
                MockServiceBusRepository(clock, rules),
                MemoryBlobStore(),
                clock,
                MAX_REFERENCE,
                rules.max_message_bytes - 1,
            ),
            now=clock.now,
            advance=clock.advance,
            lock_seconds=rules.lock_seconds,
            max_delivery_count=rules.max_delivery_count,
            max_message_bytes=rules.max_message_bytes,
            duplicate_window=rules.duplicate_window,
        )


def test_a_body_at_the_limit_travels_with_its_message(scene: Scene) -> None:
    scene.send(b"x" * LIMIT)

    assert scene.bus.receive("tasks", 1)[0].body == b"x" * LIMIT
    assert scene.names() == []


def test_a_body_over_the_limit_waits_in_a_blob_and_comes_back_whole(scene: Scene) -> None:
    scene.send(BIG)

    (sent,) = scene.inner.get_sent_messages()
    assert set(sent["body"]) == {"claim_check", "blob", "bytes"}
    (received,) = scene.bus.receive("tasks", 1)
    assert received.body == BIG
    scene.bus.complete(received)
    assert scene.bus.receive("tasks", 1) == []


def test_the_name_of_the_blob_is_made_of_the_run_and_digests(scene: Scene) -> None:
    scene.send(BIG)

    (name,) = scene.names()
    claim = claim_of(name)
    assert claim is not None
    assert (claim.job_id, claim.run, claim.day) == (JOB, 1, scene.clock.now().date())
    assert name.startswith(f"claims/{JOB}/1/")


@pytest.mark.parametrize(
    "message_id", ["1", "../../etc/passwd", "a" * 64, f"{JOB}:0:1:a:1", f"{JOB}:100000:1:a", "ä" * 60]
)
def test_an_id_that_names_no_run_is_nowhere_in_the_name(scene: Scene, message_id: str) -> None:
    scene.send(BIG, message_id)

    (name,) = scene.names()
    claim = claim_of(name)
    assert claim is not None
    assert claim.job_id is None
    assert name.startswith("claims/other/")
    assert scene.bus.receive("tasks", 1)[0].body == BIG


def test_the_longest_id_still_names_its_run() -> None:
    longest = task_message_id(task_id_for(JOB, 99_999, 99, "n" * 40), 9_999)
    sent_again = bounded_message_id(longest, ":r1")

    assert len(sent_again) <= MAX_MESSAGE_ID
    claim = claim_of(claim_name(OutboundMessage("tasks", sent_again, "task", b""), FakeClock().now()))
    assert claim is not None
    assert (claim.job_id, claim.run) == (JOB, 99_999)


def test_a_message_that_is_due_later_is_dated_by_that(scene: Scene) -> None:
    due = scene.clock.now() + timedelta(days=3)
    message = OutboundMessage("tasks", "1", "task", BIG, due)

    claim = claim_of(claim_name(message, scene.clock.now()))

    assert claim is not None
    assert claim.day == due.date()


def test_sending_again_is_the_same_blob_and_another_body_another_one(scene: Scene) -> None:
    scene.send(BIG)
    scene.send(BIG)
    assert len(scene.names()) == 1

    scene.send(BIG + b"!")
    assert len(scene.names()) == 2
    assert scene.bus.receive("tasks", 1)[0].body == BIG


def test_a_body_over_all_bounds_is_refused_before_anything_is_written(scene: Scene) -> None:
    with pytest.raises(MessageTooLarge):
        scene.bus.send(
            [
                OutboundMessage("tasks", "1", "task", BIG),
                OutboundMessage("tasks", "2", "task", b"x" * (10 * LIMIT + 1)),
            ]
        )

    assert scene.names() == []
    assert scene.inner.sent_count() == 0


def test_a_reference_whose_body_is_gone_is_dead_lettered_and_the_others_are_given(scene: Scene) -> None:
    scene.send(BIG, "1")
    scene.send(b"small", "2")
    scene.blobs.delete(scene.names()[0])

    (given_one,) = scene.bus.receive("tasks", 10)

    assert given_one.message_id == "2"
    (letter,) = scene.bus.dead_letters("tasks", 10)
    assert (letter.message_id, letter.reason) == ("1", "CLAIM_LOST")


def test_a_body_that_is_another_one_is_not_given(scene: Scene) -> None:
    scene.send(BIG)
    scene.blobs.put(scene.names()[0], b"planted", "text/plain")

    assert scene.bus.receive("tasks", 1) == []
    assert scene.bus.dead_letters("tasks", 1)[0].reason == "CLAIM_LOST"


def test_a_dead_letter_keeps_its_reference_and_is_whole_again_when_it_is_sent_again(scene: Scene) -> None:
    scene.send(BIG, "1")
    scene.bus.dead_letter(scene.bus.receive("tasks", 1)[0], "REASON", "why")
    (letter,) = scene.bus.dead_letters("tasks", 1)
    assert len(letter.body) < MAX_REFERENCE

    scene.bus.send([OutboundMessage("tasks", "1:r1", "task", letter.body)])

    assert scene.bus.receive("tasks", 1)[0].body == BIG
    assert len(scene.names()) == 1


def test_while_the_blobs_are_away_a_message_is_given_back_once_and_then_left(scene: Scene) -> None:
    scene.send(BIG)
    scene.blobs.away = True

    for _ in range(20):
        with pytest.raises(BusUnavailable):
            scene.bus.receive("tasks", 1)
    scene.blobs.away = False

    (received,) = scene.bus.receive("tasks", 1)
    assert (received.body, received.delivery_count) == (BIG, 2)


def test_messages_that_are_whole_are_given_although_the_blobs_are_away(scene: Scene) -> None:
    scene.send(BIG, "1")
    scene.send(b"small", "2")
    scene.blobs.away = True

    assert [one.message_id for one in scene.bus.receive("tasks", 2)] == ["2"]
    with pytest.raises(BusUnavailable):
        scene.bus.receive("tasks", 2)


def test_nothing_is_sent_while_the_blobs_are_away(scene: Scene) -> None:
    scene.blobs.away = True

    with pytest.raises(BusUnavailable):
        scene.send(BIG)

    assert scene.inner.sent_count() == 0


def test_who_gets_raw_bytes_can_have_them_made_whole(scene: Scene) -> None:
    scene.send(BIG)
    (raw,) = scene.inner.receive("tasks", 1)

    assert scene.bus.resolve(raw.body) == BIG
    assert scene.bus.resolve(b"whole") == b"whole"
    scene.blobs.delete(scene.names()[0])
    with pytest.raises(ClaimLost):
        scene.bus.resolve(raw.body)


GOOD_NAME = f"claims/{JOB}/1/20260131-{'0' * 16}-{'a' * 64}"


@pytest.mark.parametrize(
    "name",
    [
        "runs/secret",
        "claims/../runs/secret",
        GOOD_NAME + "/x",
        GOOD_NAME.replace("20260131", "20260231"),
        GOOD_NAME.replace(JOB, JOB.upper()),
        GOOD_NAME + "\n",
        None,
        {"a": 1},
    ],
)
def test_a_reference_to_anything_else_is_refused(scene: Scene, name: object) -> None:
    body = json.dumps({"claim_check": 1, "blob": name}, separators=(",", ":")).encode()

    with pytest.raises(MessageInvalid):
        claim_in(body)
    scene.inner.send([OutboundMessage("tasks", "1", "task", body)])
    assert scene.bus.receive("tasks", 1) == []
    assert scene.bus.dead_letters("tasks", 1)[0].reason == "MESSAGE_INVALID"


def test_a_reference_of_a_later_version_is_refused_as_such() -> None:
    with pytest.raises(MessageVersionUnsupported):
        claim_in(b'{"claim_check":2,"where":"elsewhere"}')


def bodies() -> Iterator[st.SearchStrategy[bytes]]:
    yield st.binary(max_size=3 * LIMIT)
    yield st.binary(max_size=100).map(lambda rest: b'{"claim_check":' + rest)
    yield st.just(b'{"claim_check":1,"blob":"claims/x"}')
    yield st.just(b'{"claim_check":' + b"[" * 900)


@given(st.one_of(*bodies()))
def test_whatever_was_sent_comes_back_even_what_looks_like_a_reference(body: bytes) -> None:
    scene = Scene()

    scene.send(body)

    assert [one.body for one in scene.bus.receive("tasks", 1)] == [body]


@given(st.binary(max_size=200).map(lambda rest: b'{"claim_check":' + rest))
def test_no_bytes_from_outside_make_a_receive_fail(body: bytes) -> None:
    scene = Scene()
    scene.inner.send([OutboundMessage("tasks", "1", "task", body), OutboundMessage("tasks", "2", "task", b"good")])

    assert [one.message_id for one in scene.bus.receive("tasks", 5)] == ["2"]
    assert len(scene.bus.dead_letters("tasks", 5)) == 1
