"""Random steps of everything that a store does: what the engine asks of it, and what operators do."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule

from core.ids import JobId, TaskId
from core.listing import NewDeadLetter, TaskFilter
from core.model import (
    TERMINAL_TASK,
    FailurePolicy,
    NewRun,
    NotClaimed,
    ReplayedStage,
    RunRecord,
    StageRecord,
    TaskRecord,
    TaskStatus,
)
from testing.contracts.scenario import WORKER, at, job_message, new_task, stage_message, task_message
from testing.contracts.steps import ENGINE_STEPS, OPERATOR_STEPS, Step
from testing.contracts.transitions_machine import RunKey, TransitionsMachine, run_of

EVERYTHING = TaskFilter()


class StateStoreMachine(TransitionsMachine):
    """Override :meth:`make_store`; ``StateStoreMachine.TestCase`` of the subclass is the test."""

    @rule(step=st.one_of(*ENGINE_STEPS, *OPERATOR_STEPS))
    def take(self, step: Step) -> None:
        getattr(self, step.name)(**step.arguments)

    def park(self, pick: int, off: int) -> None:
        if not self.tasks:
            return
        request = self._request(pick, off, False)
        job_id, run, stage, name = request.task_id.split(":")
        wakeup = task_message(JobId(job_id), int(stage), name, request.attempt + 1, None, int(run))
        parked = self.store.park_task(request.task_id, request.attempt, wakeup, WORKER, self._now())
        assert parked is (self._refusal(request) is NotClaimed.PAUSED)
        if parked:
            self.attempts[request.task_id] += 1

    # --- further runs ---

    def run_again(self, content: str, reuse: int) -> None:
        """Begin another run behind some stages of the newest one."""
        run = self._newest(content)
        if run is None or not (run.ended or reuse == 0):
            return
        reuse = min(reuse, len(run.stages))
        number = run.run + 1
        message = stage_message(run.job_id, reuse, number) if reuse else job_message(run.job_id, number)
        self._create(run, NewRun(run.job_id, number, message, None, "alice", reuse))

    def replay(self, content: str, chosen: set[int], pick: int, edited: bool) -> None:
        """Begin another run in which some tasks of one stage are done again."""
        run = self._newest(content)
        if run is None or not run.stages or not (run.ended or edited):
            return
        stage = run.stages[pick % len(run.stages)]
        tasks = self._tasks_of(run, stage.number)
        if len(tasks) != stage.total or not tasks:
            return
        again = {tasks[one % len(tasks)].name for one in chosen | {pick}} | _must_be_chosen(stage, tasks)
        text = '{"of": "edited"}' if edited else None
        some = tuple(new_task(run.job_id, stage.number, name, text, run.run + 1) for name in sorted(again))
        replayed = ReplayedStage(stage.number, some, stage_message(run.job_id, stage.number, run.run + 1))
        self._create(run, NewRun(run.job_id, run.run + 1, None, None, "alice", stage.number - 1, replayed))

    # --- dead letters ---

    def record_letters(self, some: list[str]) -> None:
        """``q:2`` is another body under the id ``q``."""
        known = {(one.letter.message_id, one.letter.body) for one in self.store.list_dead_letters(0, 100)}
        letters = [NewDeadLetter("tasks", name[:1], "letter", name.encode(), "reason", "") for name in some]
        new = {(one.message_id, one.body) for one in letters} - known
        assert self.store.record_dead_letters(letters, self._now()) == len(new)

    def replay_letter(self, pick: int, off: int) -> None:
        records = self.store.list_dead_letters(0, 100)
        if not records:
            return
        record = records[pick % len(records)]
        message_id = f"{record.letter.body.decode()}:r{record.replays + 1}"
        row = self.store.replay_dead_letter(record.record_id, record.replays + off, message_id, "bob", self._now())
        assert (row is None) is (off != 0)
        assert row is None or row.message.message_id == message_id

    # --- retention ---

    def delete_letters(self, age: float, limit: int) -> None:
        before = len(self.store.list_dead_letters(0, 100))
        deleted = self.store.delete_dead_letters(at(self.seconds - age), limit)
        assert deleted == before - len(self.store.list_dead_letters(0, 100)) <= limit

    def delete_run(self, content: str, older: int, limit: int) -> None:
        """Take away some of the tasks of a run that has ended, and the run with the last of them."""
        newest = self._newest(content)
        if newest is None:
            return
        run = self.store.load_run(newest.job_id, max(1, newest.run - older))
        if run is None:
            return
        others = any(self.store.load_run(run.job_id, number) for number in range(1, run.run))
        may = run.ended and not (run == newest and others)
        left = len(self.store.list_tasks(run.job_id, run.run, EVERYTHING, None, 1_000))
        gone = self.store.delete_run(run.job_id, run.run, limit)
        assert gone is (may and left < limit)
        after = self.store.list_tasks(run.job_id, run.run, EVERYTHING, None, 1_000)
        assert len(after) == (max(0, left - limit) if may else left)
        self._deleted((run.job_id, run.run), {task.task_id for task in after}, gone)

    # --- the model ---

    def _create(self, run: RunRecord, new: NewRun) -> None:
        """``run`` is the newest of its job. The copied tasks have ended, the replayed ones are queued."""
        whole = all(len(self._tasks_of(run, stage.number)) == stage.total for stage in run.stages)
        if not whole:
            return
        submitted = self.store.create_run(new, self._now())
        assert (submitted is not None) is run.ended
        if submitted is None:
            return
        assert submitted.run == self.store.latest_run(new.job_id)
        tasks = [task for stage in submitted.run.stages for task in self._tasks_of(submitted.run, stage.number)]
        self._created([task.task_id for task in tasks])
        self.over.update(task.task_id for task in tasks if task.status in TERMINAL_TASK)
        self.attempts |= {task.task_id: task.attempt for task in tasks}
        self.copied |= {(new.job_id, new.run, number) for number in range(1, new.reuse_stages + 1)}

    def _deleted(self, key: RunKey, left: set[TaskId], gone: bool) -> None:
        lost = {task for task in self.attempts if run_of(task) == key} - left
        for task in lost:
            del self.attempts[task]
        if lost:
            self.ended.pop(key, None)
        if gone:
            prefix = f"{key[0]}:{key[1]}:"
            self.ended.pop(key, None)
            self.copied = {place for place in self.copied if place[:2] != key}
            for message_id in [found for found in self.stage_ends if found.startswith(prefix)]:
                del self.stage_ends[message_id]

    def _tasks_of(self, run: RunRecord, stage: int) -> list[TaskRecord]:
        return list(self.store.list_tasks(run.job_id, run.run, TaskFilter(stage), None, 1_000))


def _must_be_chosen(stage: StageRecord, tasks: list[TaskRecord]) -> set[str]:
    """Under ``fail_fast`` a stage with a failed task does not go on."""
    if stage.failure_policy is FailurePolicy.TOLERATE:
        return set()
    return {task.name for task in tasks if task.status is TaskStatus.FAILED}
