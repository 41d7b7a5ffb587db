"""A claimed body stays for as long as anybody can need it, and then goes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import core.claim_garbage
from core.claim_check import FOLDER, Claim, ClaimCheckBus, claim_in
from core.claim_garbage import KEEP_SECONDS, ClaimGarbage
from core.deadletters import DeadLetters
from core.errors import BlobStoreUnavailable, ClaimLost
from core.ids import JobId, job_message_id
from core.model import NewJob, OutboundMessage, RunStatus
from core.ports import ReceivedMessage
from core.relay import OutboxRelay
from testing.clock import FakeClock
from testing.memory_blobs import MemoryBlobStore
from testing.mock_bus import MockServiceBusRepository, QueueRules
from testing.mock_state import MockStateManager

QUEUE = "tasks"
LIMIT = 1_024
DAY = timedelta(days=1)
KEEP_DAYS = KEEP_SECONDS / 86_400
JOBS = [JobId(digit * 64) for digit in "abc"]


class Scene:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.state = MockStateManager()
        self.blobs = MemoryBlobStore()
        self.inner = MockServiceBusRepository(self.clock, QueueRules(duplicate_window=600))
        self.bus = ClaimCheckBus(self.inner, self.blobs, self.clock, LIMIT)
        relay = OutboxRelay(self.state, self.bus, self.clock)
        self.letters = DeadLetters(self.state, relay, self.clock)
        self.garbage = ClaimGarbage(self.state, self.bus, self.blobs, [QUEUE])

    def submit(self, job_id: JobId) -> None:
        message = OutboundMessage("jobs", job_message_id(job_id, 1), "job", b"{}")
        self.state.submit_job(NewJob(job_id, "hello_world", "t", "{}", None, None, message), self.clock.now())

    def send(self, message_id: str, body: bytes = b"x" * 2_000, due: datetime | None = None) -> None:
        self.bus.send([OutboundMessage(QUEUE, message_id, "task", body, due)])

    def end(self, job_id: JobId) -> None:
        self.state.finish_run(job_id, 1, RunStatus.COMPLETED, None, None, self.clock.now())

    def pass_days(self, days: float) -> None:
        self.clock.advance(days * 86_400)

    def collect(self) -> int:
        return self.garbage.collect(self.clock.now())

    def names(self) -> list[str]:
        return list(self.blobs.names(FOLDER))

    def receive(self) -> Sequence[ReceivedMessage]:
        return self.bus.receive(QUEUE, 100)

    def bury(self) -> None:
        for message in self.receive():
            self.bus.dead_letter(message, "REASON", "why")


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.submit(JOBS[0])
    scene.send(f"{JOBS[0]}:1:1:a:1")
    return scene


def test_a_body_goes_when_its_run_has_ended_long_ago(scene: Scene) -> None:
    scene.end(JOBS[0])

    scene.pass_days(KEEP_DAYS - 1)
    assert scene.collect() == 0
    scene.pass_days(2)
    assert scene.collect() == 1
    assert scene.names() == []


def test_a_run_that_goes_on_keeps_its_bodies_however_old(scene: Scene) -> None:
    scene.pass_days(400)

    assert scene.collect() == 0
    assert scene.receive()[0].body == b"x" * 2_000


def test_the_time_begins_with_the_end_of_the_run(scene: Scene) -> None:
    scene.pass_days(100)
    scene.end(JOBS[0])

    assert scene.collect() == 0
    scene.pass_days(KEEP_DAYS + 1)
    assert scene.collect() == 1


def test_a_run_that_was_deleted_needs_nothing(scene: Scene) -> None:
    scene.end(JOBS[0])
    assert scene.state.delete_run(JOBS[0], 1, 100)

    scene.pass_days(1)
    assert scene.collect() == 0, "its message may be on the queue"
    scene.pass_days(KEEP_DAYS + 1)
    assert scene.collect() == 1


def test_a_message_that_is_due_later_is_young_until_then(scene: Scene) -> None:
    scene.send("of nobody", due=scene.clock.now() + 30 * DAY)

    scene.pass_days(KEEP_DAYS + 10)
    assert scene.collect() == 0
    scene.pass_days(30)
    assert scene.collect() == 1


def test_a_dead_letter_on_the_bus_keeps_its_body(scene: Scene) -> None:
    scene.bury()
    scene.end(JOBS[0])
    scene.pass_days(400)

    assert scene.collect() == 0


def test_a_letter_that_was_written_down_can_be_sent_again_until_its_record_goes(scene: Scene) -> None:
    scene.bury()
    scene.letters.record(scene.bus.dead_letters(QUEUE, 1_000))
    scene.inner._queue(QUEUE).dead.clear()  # as an operator does who purges the queue
    scene.end(JOBS[0])
    scene.pass_days(60)
    assert scene.collect() == 0

    (record,) = scene.letters.listed()
    scene.letters.replay(record.record_id, "somebody")
    (again,) = scene.receive()
    assert again.body == b"x" * 2_000

    scene.bus.complete(again)
    scene.state.delete_dead_letters(scene.clock.now() + DAY, 10)
    assert scene.collect() == 1


def test_with_more_letters_than_can_be_looked_at_nothing_goes(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.claim_garbage, "MAX_LETTERS", 2)
    scene.end(JOBS[0])
    for number in range(2):
        scene.send(f"letter-{number}", b"small")
    for message in scene.receive():
        if message.body == b"small":
            scene.bus.dead_letter(message, "REASON", "why")
    scene.pass_days(100)

    assert scene.collect() == 0
    scene.inner._queue(QUEUE).dead.pop()
    assert scene.collect() == 1


def test_a_pass_deletes_no_more_than_its_limit_and_the_next_goes_on(scene: Scene) -> None:
    for number in range(4):
        scene.send(f"{JOBS[0]}:1:1:n{number}:1")
    scene.end(JOBS[0])
    scene.pass_days(100)

    assert [scene.garbage.collect(scene.clock.now(), 2) for _ in range(4)] == [2, 2, 1, 0]


def test_what_others_keep_in_the_folder_is_left(scene: Scene) -> None:
    scene.blobs.put("claims/readme", b"", "text/plain")
    scene.blobs.put("archive/x", b"", "text/plain")
    scene.end(JOBS[0])
    scene.pass_days(100)

    assert scene.collect() == 1
    assert list(scene.blobs.names("")) == ["archive/x", "claims/readme"]


def test_a_pass_that_the_storage_breaks_off_is_gone_on_with(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.end(JOBS[0])
    scene.pass_days(100)

    def away(name: str) -> None:
        raise BlobStoreUnavailable("away")

    with monkeypatch.context() as broken:
        broken.setattr(scene.blobs, "delete", away)
        with pytest.raises(BlobStoreUnavailable):
            scene.collect()

    assert scene.collect() == 1


class Life(RuleBasedStateMachine):
    """Runs, messages, dead letters and passes of the collector, in any order, over months."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene()
        self.numbers = iter(range(1, 1 << 30))
        self.live: set[str] = set()

    @rule(job=st.sampled_from(JOBS), later=st.sampled_from([0, 0, 1, 40]), size=st.sampled_from([2_000, 10]))
    def send(self, job: JobId, later: int, size: int) -> None:
        self.scene.submit(job)
        record = self.scene.state.load_run(job, 1)
        if record is None or record.ended:
            return
        message_id = f"{job}:1:1:n{next(self.numbers)}:1"
        due = self.scene.clock.now() + later * DAY if later else None
        self.scene.send(message_id, message_id.encode().ljust(size, b"."), due)
        self.live.add(message_id)

    @rule(count=st.integers(1, 4), how=st.sampled_from(["bury", "bury", "complete", "abandon", "keep"]))
    def receive(self, count: int, how: str) -> None:
        for message in self.scene.bus.receive(QUEUE, count):
            assert message.body.startswith(message.message_id.partition(":r")[0].encode())
            if how == "complete":
                self.scene.bus.complete(message)
                self.live.discard(message.message_id)
            elif how == "abandon":
                self.scene.bus.abandon(message)
            elif how == "bury":
                self.scene.bus.dead_letter(message, "REASON", "why")

    @rule(job=st.sampled_from(JOBS), and_delete=st.booleans())
    def end(self, job: JobId, and_delete: bool) -> None:
        self.scene.end(job)
        if and_delete:
            self.scene.state.delete_run(job, 1, 100)

    @rule(what=st.sampled_from(["write down", "write down and purge", "send again", "forget"]))
    def do_with_letters(self, what: str) -> None:
        state = self.scene.state
        if what == "forget":
            state.delete_dead_letters(self.scene.clock.now() - 90 * DAY, 100)
        elif what == "send again":
            for record in state.list_dead_letters(0, 1):
                self.scene.letters.replay(record.record_id, "somebody")
        else:
            self.scene.letters.record(self.scene.bus.dead_letters(QUEUE, 1_000))
            if what == "write down and purge":
                self.scene.inner._queue(QUEUE).dead.clear()

    @rule(days=st.sampled_from([40, 1, 0.01, 10, 100]))
    def pass_time_and_collect(self, days: float) -> None:
        self.scene.pass_days(days)
        self.scene.collect()

    @invariant()
    def a_run_that_goes_on_and_every_letter_is_whole(self) -> None:
        letters = [(one.body, one.reason) for one in self.scene.bus.dead_letters(QUEUE, 1_000)]
        records = self.scene.state.list_dead_letters(0, 1_000)
        for body, reason in letters + [(record.letter.body, record.letter.reason) for record in records]:
            claim = claim_in(body)
            if reason == ClaimLost.code:
                # Its message stayed on a queue without time to live, long after the end of its run.
                assert claim is not None
                assert self._run_is_over(claim)
            else:
                self.scene.bus.resolve(body)
        needed = self._sent_of_runs_that_go_on()
        assert needed <= set(self.scene.names())

    def _sent_of_runs_that_go_on(self) -> set[str]:
        """The blobs of what was sent, was not completed, and whose run goes on without a break since."""
        claims = [claim_in(message.body) for _, message in self.scene.inner._log() if message.message_id in self.live]
        return {claim.name for claim in claims if claim is not None and not self._run_is_over(claim)}

    def _run_is_over(self, claim: Claim) -> bool:
        """Or another one: a job that was deleted and submitted anew."""
        assert claim.job_id is not None
        record = self.scene.state.load_run(claim.job_id, claim.run)
        return record is None or record.ended or record.created_at.date() > claim.day

    def teardown(self) -> None:
        """Once everything is over and long ago, nothing is left."""
        for job in JOBS:
            self.scene.end(job)
        self.scene.inner._queue(QUEUE).dead.clear()
        self.scene.pass_days(200)
        while self.scene.state.delete_dead_letters(self.scene.clock.now(), 1_000):
            pass
        self.scene.collect()
        assert self.scene.names() == []


Life.TestCase.settings = settings(max_examples=200, stateful_step_count=50)
TestLife = Life.TestCase
