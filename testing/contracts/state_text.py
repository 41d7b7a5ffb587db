"""The state store's contract: what is refused as text, and that nothing is half written then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from core.decisions import FailFinally, Requeue
from core.errors import CapacityExceeded, TextNotStorable, TextTooLong
from core.ids import WorkerId
from core.limits import LONGEST, MAX_JSON_BYTES
from core.listing import NewDeadLetter
from core.model import NewRun, NewTask, ReplayedStage, RunStatus
from core.outcome import CUT, MAX_ERROR_CODE, MAX_ERROR_MESSAGE, ErrorInfo, Succeeded
from core.ports import AttemptEnd, ClaimRequest, StateStore
from testing.contracts.scenario import (
    FLAKY,
    LEASE,
    WORKER,
    Scenario,
    at,
    job_message,
    new_job,
    new_stage,
    stage_message,
    task_message,
)

BAD_TEXTS = ("a\0b", "\0", "half \ud800 pair", "\udfff")
TOO_LARGE = '"' + "x" * MAX_JSON_BYTES + '"'
TOO_LARGE_AS_UTF8 = '"' + "ä" * (MAX_JSON_BYTES // 2) + '"'

Write = Callable[[str], object]


class TextContract:
    def refuses(self, write: Write, unchanged: Callable[[], object], *, json: bool = False) -> None:
        """Each bad text raises, and so does a JSON text that is too large; nothing changes."""
        before = unchanged()
        for text in BAD_TEXTS:
            with pytest.raises(TextNotStorable):
                write(text)
        for text in (TOO_LARGE, TOO_LARGE_AS_UTF8) if json else ():
            with pytest.raises(CapacityExceeded):
                write(text)
        assert unchanged() == before

    def all_of(self, scenario: Scenario, name: str = "x") -> Callable[[], object]:
        store = scenario.store
        return lambda: (
            store.latest_run(scenario.job_id),
            scenario.told(),
            scenario.waiting(),
            store.load_task(scenario.task_id(name)),
            list(store.list_attempts(scenario.task_id(name))),
        )

    def test_of_a_submission(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        other = new_job("b")
        unchanged = self.all_of(scenario)

        def submit(**changes: str) -> object:
            return store.submit_job(replace(other, **changes), at(1))  # type: ignore[arg-type]

        self.refuses(lambda text: submit(tenant=text), unchanged)
        self.refuses(lambda text: submit(idempotency_key=text), unchanged)
        self.refuses(lambda text: submit(parameters_json=text), unchanged, json=True)
        assert store.load_run(other.job_id, 1) is None
        assert store.submit_job(other, at(2)).created

    def test_of_a_task_s_parameters(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)

        def open_with(text: str) -> object:
            stage = new_stage(scenario.job_id, 1, ["x", "y"])
            bad = stage.tasks[1]._replace(parameters_json=text)
            return store.open_stage(scenario.job_id, 1, replace(stage, tasks=(stage.tasks[0], bad)), at(1))

        self.refuses(open_with, self.all_of(scenario), json=True)
        assert scenario.open(1, "x", "y").opened

    def test_of_a_worker_s_id(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        task_id, unchanged = scenario.task_id("x"), self.all_of(scenario)

        def claim(text: str) -> object:
            return store.claim_task(task_id, 1, WorkerId(text), LEASE, at(1))

        def claim_many(text: str) -> object:
            good = ClaimRequest(task_id, 1, WORKER, LEASE, at(1))
            return store.claim_tasks([good, good._replace(worker=WorkerId(text))])

        self.refuses(claim, unchanged)
        self.refuses(claim_many, unchanged)
        scenario.pause()
        wakeup = task_message(scenario.job_id, 1, "x", 2)
        self.refuses(lambda text: store.park_task(task_id, 1, wakeup, WorkerId(text), at(5)), self.all_of(scenario))

    def test_of_a_checkpoint_and_progress(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        lease, unchanged = scenario.claim("x"), self.all_of(scenario)

        self.refuses(lambda text: store.save_checkpoint(lease, text, LEASE, at(2)), unchanged, json=True)
        self.refuses(lambda text: store.report_progress(lease, 50, text, at(2)), unchanged)
        assert store.save_checkpoint(lease, '"x"', LEASE, at(3)).expires_at == at(3 + LEASE)

    def test_of_the_end_of_an_attempt(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        lease, unchanged = scenario.claim("x"), self.all_of(scenario)
        wakeup = task_message(scenario.job_id, 1, "x", 2)

        def finish(transition: Succeeded | FailFinally | Requeue) -> object:
            return store.finish_attempt(lease, transition, wakeup, at(2))

        def finish_many(text: str) -> object:
            return store.finish_attempts([AttemptEnd(lease, Succeeded(text), None, at(2))])

        self.refuses(lambda text: finish(Succeeded(text)), unchanged, json=True)
        self.refuses(finish_many, unchanged, json=True)
        self.refuses(lambda text: finish(FailFinally(ErrorInfo("BROKEN", text))), unchanged)
        self.refuses(lambda text: finish(FailFinally(ErrorInfo(text, "broken"))), unchanged)
        self.refuses(lambda text: finish(Requeue("retry", True, None, ErrorInfo("FLAKY", text))), unchanged)
        self.refuses(lambda text: finish(Requeue(text, True, None, FLAKY)), unchanged)
        assert scenario.complete(lease).task_status == "completed"

    def test_of_the_end_of_a_run(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        unchanged = self.all_of(scenario)

        def finish(result: str | None = None, error: ErrorInfo | None = None, actor: str = "") -> object:
            return store.finish_run(scenario.job_id, 1, RunStatus.FAILED, result, error, at(2), actor=actor)

        self.refuses(lambda text: finish(result=text), unchanged, json=True)
        self.refuses(lambda text: finish(error=ErrorInfo("BROKEN", text)), unchanged)
        self.refuses(lambda text: finish(error=ErrorInfo(text, "broken")), unchanged)
        self.refuses(lambda text: finish(actor=text), unchanged)
        assert finish() is True

    def test_of_who_asks(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")

        self.refuses(lambda text: store.pause_run(scenario.job_id, 1, text, at(2)), self.all_of(scenario))
        scenario.pause()
        self.refuses(lambda text: store.resume_run(scenario.job_id, 1, text, at(4)), self.all_of(scenario))

    def test_of_a_further_run(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.finish()
        job_id, unchanged = scenario.job_id, self.all_of(scenario)

        def again(text: str) -> object:
            return store.create_run(NewRun(job_id, 2, job_message(job_id, 2), None, text), at(20))

        def replay(text: str) -> object:
            message = task_message(job_id, 1, "x", 1, None, 2)
            task = NewTask(scenario.of_run(2).task_id("x"), "x", text, message)
            replayed = ReplayedStage(1, (task,), stage_message(job_id, 1, 2))
            return store.create_run(NewRun(job_id, 2, None, None, "alice", 0, replayed), at(20))

        self.refuses(again, unchanged)
        self.refuses(replay, unchanged, json=True)
        assert again("alice") is not None

    def test_of_a_dead_letter(self, store: StateStore) -> None:
        good = NewDeadLetter("tasks", "1", "task", b"\0 any bytes \xff", "reason", "description")

        def record(**changes: str) -> object:
            return store.record_dead_letters([good, replace(good, **changes)], at(1))  # type: ignore[arg-type]

        def letters() -> object:
            return list(store.list_dead_letters(0, 10))

        self.refuses(lambda text: record(message_id=text), letters)
        self.refuses(lambda text: record(message_type=text), letters)
        self.refuses(lambda text: record(reason=text), letters)
        self.refuses(lambda text: record(description=text), letters)
        store.record_dead_letters([good], at(2))
        (record_id,) = (found.record_id for found in store.list_dead_letters(0, 10))
        self.refuses(lambda text: store.replay_dead_letter(record_id, 0, "r1", text, at(3)), letters)
        assert store.list_dead_letters(0, 10)[0].letter == good

    def test_any_other_text_comes_back_as_it_was(self, store: StateStore) -> None:
        odd = "ä\u2028\x01\x1f\x7f\u200b\ufffe \\ ' %s {} \U0001f600"
        scenario = Scenario.started(store, "x")
        lease = scenario.claim("x", worker=WorkerId(odd))
        store.report_progress(lease, 50, odd, at(2))
        store.finish_run(scenario.job_id, 1, RunStatus.FAILED, None, ErrorInfo("BROKEN", odd, True), at(3), actor=odd)

        assert scenario.task("x").progress_message == odd
        assert scenario.run().error == ErrorInfo("BROKEN", odd, True)
        assert store.list_attempts(scenario.task_id("x"))[0].owner == odd
        assert store.list_events(scenario.job_id, 1)[-1].actor == odd

    def test_a_json_text_of_just_the_size_is_taken(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        text = '"' + "x" * (MAX_JSON_BYTES - 2) + '"'

        store.finish_attempt(scenario.claim("x"), Succeeded(text), None, at(2))

        assert scenario.task("x").result_json == text

    def refuses_longer(self, what: str, write: Write, unchanged: Callable[[], object]) -> None:
        """A text that is one character too long raises, and nothing changes; one that is not is taken."""
        longest, before = LONGEST[what], unchanged()
        with pytest.raises(TextTooLong, match=f"{what}.* at most {longest}") as caught:
            write("x" * (longest + 1))
        assert caught.value.details == {"limit": longest}
        assert unchanged() == before
        write("\U0001f600" * longest)

    def test_of_a_length_that_a_submission_may_not_have(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        unchanged = self.all_of(scenario)

        def submit(tenant: str, key: str) -> object:
            return store.submit_job(new_job("b", tenant=tenant, key=key), at(1))

        longest = "\U0001f600" * LONGEST["tenant"]
        self.refuses_longer("tenant", lambda text: submit(text, "k"), unchanged)
        self.refuses_longer("idempotency key", lambda text: submit(longest, text), unchanged)
        assert not submit(longest, "\U0001f600" * LONGEST["idempotency key"]).created  # type: ignore[attr-defined]

    def test_of_a_length_that_a_worker_s_id_may_not_have(self, store: StateStore) -> None:
        scenario, other = Scenario.started(store, "x", "y"), Scenario.started(store, "x", content="b")
        ids, unchanged = [scenario.task_id(name) for name in "xy"], self.all_of(scenario)

        def claim_many(text: str) -> object:
            requests = [ClaimRequest(task_id, 1, WORKER, LEASE, at(1)) for task_id in ids]
            return store.claim_tasks([requests[0], requests[1]._replace(worker=WorkerId(text))])

        self.refuses_longer("worker id", claim_many, unchanged)
        other.pause()
        task_id, wakeup = other.task_id("x"), task_message(other.job_id, 1, "x", 2)
        self.refuses_longer(
            "worker id", lambda text: store.park_task(task_id, 1, wakeup, WorkerId(text), at(5)), self.all_of(other)
        )
        other.resume()
        self.refuses_longer(
            "worker id", lambda text: store.claim_task(task_id, 2, WorkerId(text), LEASE, at(6)), self.all_of(other)
        )

    def test_of_a_length_that_what_a_worker_says_may_not_have(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        lease, unchanged = scenario.claim("x"), self.all_of(scenario)
        wakeup = task_message(scenario.job_id, 1, "x", 2)

        self.refuses_longer("progress message", lambda text: store.report_progress(lease, 5, text, at(2)), unchanged)
        self.refuses_longer(
            "cause",
            lambda text: store.finish_attempt(lease, Requeue(text, False), wakeup, at(2)),
            self.all_of(scenario),
        )

    def test_of_a_length_that_who_asks_may_not_have(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        job_id, unchanged = scenario.job_id, self.all_of(scenario)

        self.refuses_longer("actor", lambda text: store.pause_run(job_id, 1, text, at(2)), unchanged)
        self.refuses_longer("actor", lambda text: store.resume_run(job_id, 1, text, at(3)), unchanged)
        self.refuses_longer(
            "actor",
            lambda text: store.finish_run(job_id, 1, RunStatus.CANCELLED, None, None, at(4), actor=text),
            unchanged,
        )
        self.refuses_longer(
            "actor",
            lambda text: store.create_run(NewRun(job_id, 2, job_message(job_id, 2), None, text), at(5)),
            unchanged,
        )

    def test_of_a_length_that_a_dead_letter_may_not_have(self, store: StateStore) -> None:
        good = NewDeadLetter("tasks", "1", "task", b"{}", "reason", "description")

        def record(**changes: str) -> object:
            return store.record_dead_letters([replace(good, **changes)], at(1))  # type: ignore[arg-type]

        def letters() -> object:
            return list(store.list_dead_letters(0, 10))

        self.refuses_longer("queue", lambda text: record(queue=text), letters)
        self.refuses_longer("message id", lambda text: record(message_id=text), letters)
        self.refuses_longer("message type", lambda text: record(message_type=text, message_id="2"), letters)
        self.refuses_longer("dead letter reason", lambda text: record(reason=text, message_id="3"), letters)
        self.refuses_longer("dead letter description", lambda text: record(description=text, message_id="4"), letters)
        first, second = store.list_dead_letters(0, 2)

        def replay(message_id: str, actor: str, record_id: int) -> object:
            return store.replay_dead_letter(record_id, 0, message_id, actor, at(2))

        self.refuses_longer("message id", lambda text: replay(text, "alice", first.record_id), letters)
        self.refuses_longer("actor", lambda text: replay("r1", text, second.record_id), letters)

    def test_an_error_is_cut_and_not_refused_and_says_so(self, store: StateStore) -> None:
        long = ErrorInfo("C" * 100_000, "m" * 100_000, True)
        scenario, failed = Scenario.started(store, "x", "y"), Scenario.started(store, "x", content="b")
        scenario.claim("y")

        store.finish_attempt(
            scenario.claim("x"), Requeue("retry", True, None, long), task_message(scenario.job_id, 1, "x", 2), at(2)
        )
        failed.fail(failed.claim("x"), long)

        (attempt,) = store.list_attempts(scenario.task_id("x"))
        assert attempt.error == failed.task("x").error == failed.run().error == long
        assert (len(long.code), len(long.message)) == (MAX_ERROR_CODE, MAX_ERROR_MESSAGE)
        assert long.code.endswith(CUT)
        assert long.message.endswith(CUT)
        assert ("task_failed", long.code) in failed.told()
