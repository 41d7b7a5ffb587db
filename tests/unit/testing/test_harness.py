from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from core.context import StopSignal, TaskContext
from core.errors import BusUnavailable, MessageInvalid, TransientTaskError, UnknownTaskType
from core.handlers import task_handler
from core.model import OutboundMessage, RunStatus, TaskStatus
from core.ports import ReceivedMessage
from testing.clock import FakeClock
from testing.factories import (
    Registries,
    create_single_task,
    create_test_core_machine,
    create_test_harness,
    setup_single_task_test,
)
from testing.fault_handlers import FOREIGN_TEXT, FaultParams, FaultResult, fault_handlers, fault_jobs
from testing.faults import FaultPlan
from testing.harness import Harness, HarnessStopped, NotQuiescent, RunFailed
from testing.mock_bus import MockServiceBusRepository

FAULTS = (
    "succeeds",
    "crashes",
    "fails_transiently",
    "hangs",
    "retries_later",
    "returns_garbage",
    "returns_wrong_model",
)


@pytest.fixture
def harness() -> Harness:
    clock = FakeClock()
    registries = Registries.of(fault_jobs(FAULTS), fault_handlers(clock.advance))
    return create_test_harness(registries, clock=clock)[0]


class TestFactories:
    def test_a_test_machine_comes_with_its_state_and_bus(self) -> None:
        made = create_test_core_machine()

        machine, state, bus = made
        assert (made.machine, made.state, made.bus) == (machine, state, bus)
        assert machine.store is state
        machine.submit("hello_world", {"n": 1})
        assert (len(state.get_state_snapshot()["jobs"]), bus.sent_count()) == (1, 1)

    def test_a_single_task_comes_with_the_message_that_runs_it(self) -> None:
        machine, state, bus, message = setup_single_task_test("hello_world_reply", {"index": 1, "greeting": "Hi"})

        assert (message.job_type, message.stage, message.task_type) == ("hello_world", 2, "hello_world_reply")
        assert bus.get_sent_messages() == []
        machine.process_task_message(message)

        task = state.load_task(message.task_id)
        assert task is not None
        assert json.loads(task.result_json or "") == {"index": 1, "reply": "Replying to: Hi"}
        assert len(bus.get_stage_complete_signals()) == 1

    def test_the_job_type_of_a_single_task_can_be_given(self) -> None:
        made = setup_single_task_test("hello_world_reply", {"index": 1, "greeting": "Hi"}, "hello_world")

        assert (made.message.job_type, made.message.stage) == ("hello_world", 2)

    def test_a_single_task_of_an_unknown_type_is_refused(self) -> None:
        with pytest.raises(UnknownTaskType):
            setup_single_task_test("nobody", {})

    def test_machines_do_not_share_anything(self) -> None:
        one, other = create_test_core_machine(), create_test_core_machine()
        one.machine.submit("hello_world", {})

        assert other.state.get_state_snapshot()["jobs"] == {}
        assert other.bus.get_sent_messages() == []


class TestDraining:
    def test_a_job_is_drained_to_quiescence(self, harness: Harness) -> None:
        run = harness.submit("succeeds", {"n": 20})

        drained = harness.drain()

        ended = harness.state.load_run(run.job_id, 1)
        assert ended is not None
        assert ended.status is RunStatus.COMPLETED
        assert (drained.messages, drained.crashes, drained.repaired) == (22, 0, 0)
        assert harness.bus.next_due(["jobs", "tasks"]) is None

    def test_nothing_to_drain_is_nothing_done(self, harness: Harness) -> None:
        assert harness.drain().messages == 0

    def test_what_a_handler_raised_is_raised_again(self, harness: Harness) -> None:
        harness.submit("crashes", {})

        with pytest.raises(RuntimeError, match=FOREIGN_TEXT):
            harness.drain()

    def test_what_a_handler_raised_last_is_raised_again(self, harness: Harness) -> None:
        harness.submit("fails_transiently", {})

        with pytest.raises(TransientTaskError, match="attempt 4 failed"):
            harness.drain()

    def test_a_failure_that_was_tried_again_with_success_is_not_raised(self, harness: Harness) -> None:
        harness.submit("fails_transiently", {"times": 2})

        drained = harness.drain()

        assert [failed.error.code for failed in drained.last_failure.values()] == ["TASK_FAILED_TRANSIENTLY"]

    def test_a_failure_that_is_tolerated_is_not_raised(self, harness: Harness) -> None:
        harness.submit("tolerant_crashes", {"n": 3})

        assert len(harness.drain().last_failure) == 1

    @pytest.mark.parametrize("job_type", ["returns_garbage", "returns_wrong_model"])
    def test_a_failed_run_without_an_exception_behind_it_is_raised_too(self, harness: Harness, job_type: str) -> None:
        harness.submit(job_type, {})

        with pytest.raises(RunFailed, match="INVALID_RESULT"):
            harness.drain()

    def test_the_error_of_a_run_that_completed_is_not_raised_for_another(self, harness: Harness) -> None:
        harness.submit("fails_transiently", {"times": 1})
        harness.submit("returns_garbage", {})

        with pytest.raises(RunFailed, match="INVALID_RESULT"):
            harness.drain()

    def test_a_bus_that_is_never_there_is_not_waited_for_without_end(self) -> None:
        class Away(MockServiceBusRepository):
            asked = 0

            def receive(self, queue: str, limit: int) -> Sequence[ReceivedMessage]:
                self.asked += 1
                raise BusUnavailable("away")

        machine, state, bus = create_test_core_machine()
        away = Away(bus.clock)
        harness = Harness(machine, state, bus, faulty_bus=away)
        harness.submit("hello_world", {"n": 1})

        with pytest.raises(NotQuiescent):
            harness.drain(max_messages=30)

        assert away.asked <= 3 * 31

    def test_a_paused_run_is_left_where_it_is_and_goes_on_when_it_is_resumed(self) -> None:
        harness, _ = create_test_harness()
        run = harness.submit("hello_world", {"n": 2})
        assert harness.state.pause_run(run.job_id, 1, "alice", harness.clock.now())

        harness.drain()

        assert [one.current_stage for one in harness.state.open_runs()] == [1]
        rows = harness.state.resume_run(run.job_id, 1, "alice", harness.clock.now())
        harness.machine.relay.publish(rows or ())
        harness.drain()
        assert harness.state.open_runs() == []

    def test_a_message_that_nobody_can_read_is_raised(self, harness: Harness) -> None:
        harness.bus.send([OutboundMessage("jobs", "1", "job", b"not json")])

        with pytest.raises(MessageInvalid):
            harness.drain()

        assert len(harness.bus.dead_letters("jobs", 10)) == 1

    def test_a_message_in_a_queue_of_others_is_left_alone(self, harness: Harness) -> None:
        harness.bus.send([OutboundMessage("elsewhere", "1", "job", b"{}")])

        assert harness.drain().messages == 0

    def test_one_task_alone_is_drained_to_its_end(self, harness: Harness) -> None:
        message = create_single_task(harness.clean, harness.state, "fails_transiently", {"times": 2})
        harness.inject(message)

        harness.drain(task_id=message.task_id)

        task = harness.state.load_task(message.task_id)
        assert task is not None
        assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 3)
        assert harness.state.open_runs() != []

    def test_a_run_that_cannot_go_on_is_reported_and_not_waited_for(self, harness: Harness) -> None:
        run = harness.state.create_test_job("succeeds")
        harness.state.create_test_task(run.job_id, "succeeds")

        with pytest.raises(NotQuiescent, match=run.job_id):
            harness.drain()

    def test_too_many_messages_are_reported(self, harness: Harness) -> None:
        harness.submit("succeeds", {"n": 100})

        with pytest.raises(NotQuiescent, match="messages"):
            harness.drain(max_messages=50)

    def test_a_harness_that_is_told_to_stop_stops(self, harness: Harness) -> None:
        harness.submit("succeeds", {"n": 10})
        stop = StopSignal()
        stop.set("out of time")

        with pytest.raises(HarnessStopped, match="out of time"):
            harness.drain(stop=stop)

    def test_every_message_is_told_to_the_observer(self) -> None:
        seen: list[str] = []

        def look(message: ReceivedMessage, settlement: object) -> None:
            seen.append(message.message_type)

        harness, _ = create_test_harness(on_message=look)
        harness.submit("hello_world", {"n": 1})
        harness.drain()

        assert seen == ["job", "task", "stage_complete", "task", "stage_complete"]


class TestTimeWithoutSleeping:
    def test_retries_wait_in_fake_time(self, harness: Harness) -> None:
        before = harness.clock.now()
        harness.submit("retries_later", {"times": 2, "delay": 86_400.0})

        harness.drain()

        assert (harness.clock.now() - before).total_seconds() == 2 * 86_400

    def test_a_lock_that_ends_during_the_work_delivers_again_and_changes_nothing(self) -> None:
        clock = FakeClock()
        calls: list[int] = []

        def slow(params: FaultParams, context: TaskContext) -> FaultResult:
            calls.append(context.attempt)
            clock.advance(100)
            return FaultResult(attempt=context.attempt)

        registries = Registries.of(fault_jobs(["slow"]), [task_handler("slow", slow)])
        harness, _ = create_test_harness(registries, clock=clock)
        harness.submit("slow", {"n": 3})

        drained = harness.drain()

        assert calls == [1, 1, 1]
        assert drained.messages > 5
        assert harness.state.open_runs() == []

    def test_a_lease_that_expires_lets_the_task_be_tried_again(self) -> None:
        plan = FaultPlan(crash=0.2)
        for seed in range(20):
            harness, _ = create_test_harness(seed=seed, faults=plan)
            harness.submit("hello_world", {"n": 3})

            drained = harness.drain(reraise=False)

            log = harness.state.get_operation_log()
            if drained.crashes and {"lease_expired"} & {entry["result"] for entry in log}:
                return
        raise AssertionError("no lease expired")


class TestFaultPlans:
    def test_a_plan_bounds_its_chances(self) -> None:
        for bad in (-0.1, 0.91, 1.0):
            with pytest.raises(ValueError, match="crash"):
                FaultPlan(crash=bad)

    def test_a_plan_knows_whether_it_has_faults(self) -> None:
        assert not FaultPlan().any
        assert FaultPlan(lose=0.1).any

    def test_the_trace_is_bounded_to_its_newest_steps(self) -> None:
        harness, injector = create_test_harness(traced=True)
        harness.submit("hello_world", {"n": 2_000})
        harness.drain()

        indexes = [step.index for step in injector.trace]
        assert indexes == list(range(indexes[0], indexes[0] + 5_000))
        assert indexes[-1] > 10_000

    def test_a_submission_meets_no_faults(self) -> None:
        for seed in range(20):
            harness, injector = create_test_harness(seed=seed, faults=FaultPlan(crash=0.9, unavailable=0.9))
            harness.submit("hello_world", {})
            assert list(injector.trace) == []
