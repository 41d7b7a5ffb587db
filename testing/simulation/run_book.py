"""The witness's book on a run, and the rules that it is held to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.ids import JobId, task_id_for
from core.jobs import JobContext, StageDefinition
from core.jsontext import dump_json
from core.model import TERMINAL_RUN, FailurePolicy, NewRun, NewStage, RunStatus, TaskStatus
from core.outcome import ErrorInfo
from core.reconciler import RUN_DEADLINE_EXCEEDED
from testing.simulation.jobs import SumJob, SumParams
from testing.simulation.rules import Violation
from testing.simulation.task_book import TaskBook


class RunBook:
    """A run as the store's answers have it. ``ended`` is its terminal status, ``reused`` the stages that it took over
    from the run before.
    """

    def __init__(
        self, job_id: JobId, number: int, job: SumJob, parameters: SumParams, deadline: datetime | None
    ) -> None:
        self.job_id = job_id
        self.number = number
        self.job = job
        self.parameters = parameters
        self.deadline = deadline
        self.paused = False
        self.reused = 0
        self.stages: list[list[TaskBook]] = []
        self.ended: RunStatus | None = None
        self.result_json: str | None = None
        self.retries_used = 0

    @property
    def stage_ended(self) -> bool:
        """Whether the newest stage has ended."""
        return all(task.ended for task in self.stages[-1])

    @property
    def failed_tasks(self) -> int:
        return sum([task.status is TaskStatus.FAILED for stage in self.stages for task in stage])

    def open_stage(self, new: NewStage) -> Sequence[TaskBook]:
        if self.ended is not None:
            raise Violation("terminal states absorb", f"stage {new.number} opened after {self.ended}")
        if new.number != len(self.stages) + 1:
            raise Violation("a stage is opened once", f"stage {new.number} after {len(self.stages)}")
        if self.stages and not self.stage_ended:
            raise Violation("a stage follows the end of the one before", f"stage {new.number}")
        definition = self.job.stages[new.number - 1]
        self._check_tasks(definition, new)
        self.stages.append([TaskBook(self, definition, task.task_id, task.name) for task in new.tasks])
        return self.stages[-1]

    def next_run(self, new: NewRun) -> RunBook:
        """Another run, with what it takes over from this one."""
        if self.ended is None:
            raise Violation("a job is run again once its run has ended", f"run {new.run}")
        run = RunBook(self.job_id, new.run, self.job, self.parameters, new.deadline)
        run.reused = new.reuse_stages
        for stage in self.stages[: new.reuse_stages]:
            run.stages.append([run._take_over(task) for task in stage])
        if new.replayed is not None:
            again = {task.name for task in new.replayed.tasks}
            stage = self.stages[new.reuse_stages]
            run.stages.append([run._again(task) if task.name in again else run._take_over(task) for task in stage])
        return run

    def pause(self, paused: bool) -> None:
        if self.ended is not None or self.paused is paused:
            raise Violation("a run is paused once, and resumed once", f"paused: {self.paused}, {self.ended}")
        self.paused = paused

    def task_ended(self, task: TaskBook, status: RunStatus) -> None:
        fails = task.status is TaskStatus.FAILED and task.stage.failure_policy is FailurePolicy.FAIL_FAST
        if fails != (status in TERMINAL_RUN):
            raise Violation("a failed task ends its run where it must, and no other does", f"{task}: run {status}")
        if fails:
            self._close(status)

    def finish(
        self, status: RunStatus, result_json: str | None, error: ErrorInfo | None, actor: str, now: datetime
    ) -> None:
        if self.ended is not None:
            raise Violation("terminal states absorb", f"{status} after {self.ended}")
        cancelled = status is RunStatus.CANCELLED and actor != ""
        overdue = error == RUN_DEADLINE_EXCEEDED and self.deadline is not None and self.deadline <= now
        if not (cancelled or (overdue and status is RunStatus.FAILED)):
            self._check_end(status, result_json)
        self.result_json = result_json
        self._close(status)

    def _check_end(self, status: RunStatus, result_json: str | None) -> None:
        expected = RunStatus.COMPLETED_WITH_ERRORS if self.failed_tasks else RunStatus.COMPLETED
        if status is not expected:
            raise Violation("a run ends as its tasks did", f"{status}, not {expected}")
        if len(self.stages) != len(self.job.stages) or not self.stage_ended:
            raise Violation("a run ends after its last stage", f"{status} in stage {len(self.stages)}")
        if result_json != self._result():
            raise Violation("a job's result is made of its tasks' results", f"{result_json}, not {self._result()}")

    def _close(self, status: RunStatus) -> None:
        self.ended = status
        self.paused = False
        for task in [task for stage in self.stages for task in stage if not task.ended]:
            task.status, task.lease = TaskStatus.CANCELLED, None

    def _take_over(self, task: TaskBook) -> TaskBook:
        return task.copy_for(self, task_id_for(self.job_id, self.number, task.stage.number, task.name))

    def _again(self, task: TaskBook) -> TaskBook:
        task_id = task_id_for(self.job_id, self.number, task.stage.number, task.name)
        return TaskBook(self, task.stage, task_id, task.name)

    def _check_tasks(self, definition: StageDefinition, new: NewStage) -> None:
        previous = [task.outcome() for task in self.stages[-1]] if self.stages else []
        specs = self.job.create_tasks_for_stage(definition, self.parameters, self.job_id, previous)
        wanted = [(spec.name, dump_json(spec.parameters)) for spec in specs]
        if wanted != [(task.name, task.parameters_json) for task in new.tasks]:
            raise Violation("a stage works on the results of the one before", f"stage {new.number}")

    def _result(self) -> str:
        context = JobContext(
            job_id=self.job_id,
            run=self.number,
            parameters=self.parameters,
            failed_tasks=self.failed_tasks,
            _load=lambda stage: [task.outcome() for task in self.stages[stage - 1]],
        )
        return dump_json(self.job.finalize_job(context))
