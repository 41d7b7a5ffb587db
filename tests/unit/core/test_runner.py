"""Where a handler runs, and what becomes of an attempt whose handler's process is lost."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from core.context import StopReason, TaskContext
from core.errors import HandlerLost
from core.handlers import task_handler
from core.jobs import JobDefinition, StageDefinition, TaskSpec
from core.machine import CoreMachine
from core.model import TaskRecord, TaskStatus
from core.outcome import Interrupted, Outcome
from core.registry import HandlerRegistry, JobRegistry
from core.retry import RetryPolicy
from core.runner import HandlerCall, InProcess
from testing.clock import FakeClock, SeededIds
from testing.factories import create_single_task
from testing.memory_blobs import MemoryBlobStore
from testing.mock_bus import MockServiceBusRepository
from testing.mock_state import MockStateManager


class Nothing(BaseModel):
    pass


class Job(JobDefinition[Nothing]):
    job_type = "long"
    description = "One long task."
    stages = (StageDefinition(1, "only", "long_task"),)
    parameters = Nothing
    result = Nothing

    def create_tasks_for_stage(
        self, stage: object, job_params: Nothing, job_id: str, previous: object
    ) -> list[TaskSpec]:
        return [TaskSpec("only", Nothing())]

    def finalize_job(self, context: object) -> Nothing:
        return Nothing()


class Desk:
    """A machine with one long task, whose handler is called by ``runner`` where there is one."""

    def __init__(self, handler: object = None) -> None:
        self.clock = FakeClock()
        self.state = MockStateManager(self.clock)
        self.calls: list[HandlerCall] = []
        self.lost: HandlerLost | None = None
        self.saves: list[str] = []
        retry = RetryPolicy(max_attempts=2)
        found = task_handler("long_task", handler or self._never, retry=retry, long_running=True)  # type: ignore[arg-type]
        handlers = HandlerRegistry([found])
        self.machine = CoreMachine(
            JobRegistry([Job()], handlers),
            handlers,
            self.state,
            MockServiceBusRepository(self.clock),
            blobs=MemoryBlobStore(),
            clock=self.clock,
            ids=SeededIds(),
            runner=self.run if handler is None else None,
        )
        self.message = create_single_task(self.machine, self.state, "long_task", {}, "long")

    def run(self, call: HandlerCall) -> Outcome:
        self.calls.append(call)
        for saved in self.saves:
            call.writes.save_checkpoint(saved)
        assert self.lost is not None
        raise self.lost

    def process(self) -> TaskRecord:
        task = self.state.load_task(self.message.task_id)
        assert task is not None
        self.machine.process_task_message(self.message.model_copy(update={"attempt": task.attempt}))
        after = self.state.load_task(self.message.task_id)
        assert after is not None
        return after

    @staticmethod
    def _never(params: Nothing, context: TaskContext) -> Nothing:
        raise AssertionError


DIED = HandlerLost("HANDLER_DIED", "signal SIGSEGV")


def test_a_handler_that_takes_its_process_with_it_is_tried_again_and_then_fails_with_the_evidence() -> None:
    desk = Desk()
    desk.lost = DIED

    first, second = desk.process(), desk.process()

    assert (first.status, first.charged) == (TaskStatus.QUEUED, 1)
    assert second.status is TaskStatus.FAILED
    assert second.error is not None
    assert (second.error.code, second.error.message) == ("HANDLER_DIED", "signal SIGSEGV")


def test_what_was_lost_after_a_checkpoint_costs_no_attempt() -> None:
    desk = Desk()
    desk.lost, desk.saves = DIED, ['{"phases":["a"],"data":{}}']

    task = desk.process()

    assert (task.status, task.charged) == (TaskStatus.QUEUED, 0)
    assert task.checkpoint_json == desk.saves[0]


def test_a_process_that_was_ended_for_no_fault_of_the_handlers_costs_no_attempt() -> None:
    desk = Desk()
    desk.lost = HandlerLost("HANDLER_STOPPED", "the worker was told to end", charged=False)

    for _ in range(5):
        assert (desk.process().status, desk.process().charged) == (TaskStatus.QUEUED, 0)

    attempts = desk.state.list_attempts(desk.message.task_id)
    assert {attempt.outcome for attempt in attempts} == {"interrupted"}


def test_a_stop_for_memory_without_progress_is_a_failure_that_counts() -> None:
    desk = Desk()

    def run(call: HandlerCall) -> Outcome:
        call.stop.set(StopReason.MEMORY)
        return Interrupted("memory")

    desk.machine.attempts._runner = run

    task = desk.process()

    assert task.charged == 1
    attempts = desk.state.list_attempts(task.task_id)
    assert [attempt.error.code for attempt in attempts if attempt.error] == ["MEMORY_EXCEEDED"]


def test_the_folder_of_a_call_is_its_own_and_is_gone_afterwards(tmp_path: Path) -> None:
    seen: list[Path] = []

    def handler(params: Nothing, context: TaskContext) -> Nothing:
        (context.scratch / "page.bin").write_bytes(b"x")
        seen.append(context.scratch)
        return Nothing()

    desk = Desk(handler)
    desk.machine.attempts._runner = InProcess(tmp_path)

    assert desk.process().status is TaskStatus.COMPLETED
    assert seen[0].parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_no_folder_is_made_for_a_handler_that_asks_for_none(tmp_path: Path) -> None:
    made: list[Path] = []

    def handler(params: Nothing, context: TaskContext) -> Nothing:
        made.extend(tmp_path.iterdir())
        return Nothing()

    desk = Desk(handler)
    desk.machine.attempts._runner = InProcess(tmp_path)
    desk.process()

    assert made == []
