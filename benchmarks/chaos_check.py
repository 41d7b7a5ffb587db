"""What must hold of a world after chaos. Each rule finds its faults, and there are to be none."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple, TypeVar

from benchmarks.chaos_client import Job
from benchmarks.chaos_effects import Act, Effect
from benchmarks.chaos_jobs import JOBS, Expected, Load, Product, Total
from benchmarks.chaos_world import AttemptRow, EventRow, RunRow, StageRow, TaskRow, World
from core.ids import JobId
from core.model import RunStatus, TaskStatus

HARMLESS_BURIALS = frozenset({"MaxDeliveryCountExceeded"})
"""A message that came to nothing too often is buried, and its task is woken anew once that is stale."""

COMPLETED, FAILED, CANCELLED = TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED

K = TypeVar("K")
T = TypeVar("T")

TaskKey = tuple[int, str]
"""Stage and name."""


class Kind(StrEnum):
    LOST = "lost"
    DUPLICATED = "duplicated"
    NOT_ENDED = "not ended"
    ZOMBIE = "zombie"
    """A result or write of an attempt that was over."""
    REPEATED = "repeated"
    """Work that a checkpoint had saved was done again."""
    CHANGED = "changed"
    """A run that had ended changed."""
    WRONG = "wrong"
    LEFT = "left"


class Fault(NamedTuple):
    kind: Kind
    subject: str
    what: str


@dataclass(frozen=True, slots=True)
class View:
    """All that belongs to one run."""

    job_id: JobId
    job: Job
    expected: Expected
    run: RunRow
    stages: Mapping[int, StageRow]
    tasks: Mapping[TaskKey, TaskRow]
    attempts: Mapping[TaskKey, Sequence[AttemptRow]]
    events: Sequence[EventRow]
    effects: Mapping[TaskKey, Sequence[Effect]]

    def subject(self, key: TaskKey | int | None = None) -> str:
        place = "" if key is None else f" stage {key}" if isinstance(key, int) else f" stage {key[0]} task {key[1]}"
        return f"{self.job.job_type} {self.job.params.number} ({self.job_id[:8]}){place}"

    def products(self, stage: int) -> dict[str, Product]:
        """What the completed tasks of a stage gave, by name."""
        return {
            task.name: Product.model_validate_json(task.result_json)
            for task in self.tasks.values()
            if task.stage == stage and task.status == TaskStatus.COMPLETED and task.result_json is not None
        }


def find_faults(world: World) -> list[Fault]:
    faults = [*_of_the_whole(world)]
    for view in _views(world):
        for rule in (_run, _stages, _timeline, _tasks, _attempts, _results, _uses, _calls, _phases):
            faults += rule(view)
    return faults


def _of_the_whole(world: World) -> Iterator[Fault]:
    runs = Counter(run.job_id for run in world.runs)
    for job_id, job in world.jobs.items():
        if runs[job_id] != 1:
            kind = Kind.DUPLICATED if runs[job_id] else Kind.LOST
            yield Fault(kind, f"{job.job_type} {job.params.number}", f"it has {runs[job_id]} runs")
    for job_id in runs.keys() - world.jobs.keys():
        yield Fault(Kind.WRONG, job_id[:8], "nobody submitted it")
    for run_key, seen in world.seen.items():
        if world.last.get(run_key) != seen:
            yield Fault(Kind.CHANGED, f"run {run_key}", "it changed after it had ended")
    for name, left in world.leftovers._asdict().items():
        if left:
            yield Fault(Kind.LEFT, name, f"{left} are left")
    for reason, buried in world.buried.items():
        if reason not in HARMLESS_BURIALS:
            yield Fault(Kind.WRONG, "dead letters", f"{buried} with reason {reason}")


def _views(world: World) -> Iterator[View]:
    stages = _grouped((row.run_key, row) for row in world.stages)
    tasks = _grouped((row.run_key, row) for row in world.tasks)
    attempts = _grouped((row.run_key, row) for row in world.attempts)
    events = _grouped((row.run_key, row) for row in world.events)
    effects = _grouped((effect.task_id.partition(":")[0], effect) for effect in world.effects if effect.task_id)
    for run in world.runs:
        job = world.jobs.get(run.job_id)
        if job is None:
            continue
        yield View(
            job_id=run.job_id,
            job=job,
            expected=JOBS[job.job_type].expected(job.params),
            run=run,
            stages={row.number: row for row in stages.get(run.run_key, ())},
            tasks={(row.stage, row.name): row for row in tasks.get(run.run_key, ())},
            attempts=_grouped(((row.stage, row.name), row) for row in attempts.get(run.run_key, ())),
            events=events.get(run.run_key, ()),
            effects=_grouped((_key(effect), effect) for effect in effects.get(run.job_id, ())),
        )


def _grouped(pairs: Iterable[tuple[K, T]]) -> dict[K, list[T]]:
    found: dict[K, list[T]] = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return dict(found)


def _key(effect: Effect) -> TaskKey:
    _, _, stage, name = effect.task_id.split(":", 3)
    return int(stage), name


def _run(view: View) -> Iterator[Fault]:
    """It has ended, as it must, with the answer that is right."""
    run, expected = view.run, view.expected
    if not run.ended:
        yield Fault(Kind.NOT_ENDED, view.subject(), f"it is {run.status}")
        return
    if run.status != expected.status or run.error_code != expected.error_code:
        yield Fault(Kind.WRONG, view.subject(), f"{run.status} ({run.error_code}), not {expected.status}")
    total = Total.model_validate_json(run.result_json).value if run.result_json is not None else None
    if total != expected.total:
        yield Fault(Kind.WRONG, view.subject(), f"the answer is {total}, not {expected.total}")


def _stages(view: View) -> Iterator[Fault]:
    """Each was opened with all its tasks, and counted down to its end."""
    for number, tasks in view.expected.stages.items():
        stage = view.stages.get(number)
        if stage is None:
            yield Fault(Kind.LOST, view.subject(number), "it was never opened")
        elif stage.status == "running" or stage.remaining:
            yield Fault(Kind.NOT_ENDED, view.subject(number), f"it is {stage.status}, {stage.remaining} to go")
        elif stage.total != len(tasks):
            yield Fault(Kind.WRONG, view.subject(number), f"it has {stage.total} tasks, not {len(tasks)}")
        elif stage.failed != sum(task.status == FAILED for key, task in view.tasks.items() if key[0] == number):
            yield Fault(Kind.WRONG, view.subject(number), f"it counted {stage.failed} failed tasks")
    for number in view.stages.keys() - view.expected.stages.keys():
        yield Fault(Kind.WRONG, view.subject(number), "it was to stay closed")


def _timeline(view: View) -> Iterator[Fault]:
    """The job, and each stage, began once and ended once, one after the other; attempts are within their stage."""
    expected: list[tuple[str, int | None]] = [("job_submitted", None)]
    for number in view.expected.stages:
        expected += [("stage_started", number), ("stage_ended", number)]
    expected.append(("job_ended", None))
    told = [(event.kind, event.stage) for event in view.events if event.kind != "tasks_cancelled"]
    times = Counter(told)
    for moment in expected:
        if times[moment] != 1 and view.run.ended:
            kind = Kind.DUPLICATED if times[moment] else Kind.LOST
            yield Fault(kind, view.subject(moment[1]), f"{moment[0]} {times[moment]} times")
    if times == Counter(expected) and told != expected:
        yield Fault(Kind.WRONG, view.subject(), f"out of order: {told}")
    numbers = {(event.kind, event.stage): event.number for event in view.events}
    for (stage, name), attempts in view.attempts.items():
        first, last = numbers.get(("stage_started", stage), 0), numbers.get(("stage_ended", stage))
        ended = [attempt.ended for attempt in attempts if attempt.outcome != "cancelled"]  # with the stage, not before
        if attempts[0].token < first or (last is not None and max(ended, default=0) > last):
            yield Fault(Kind.ZOMBIE, view.subject((stage, name)), "an attempt is outside of the stage's time")


def _tasks(view: View) -> Iterator[Fault]:
    """All are there, and ended as they must; what a failed run left may be cancelled."""
    for number, tasks in view.expected.stages.items():
        for name, status in tasks.items():
            task = view.tasks.get((number, name))
            if task is None:
                if number in view.stages:
                    yield Fault(Kind.LOST, view.subject((number, name)), "it was never made")
            elif task.status == "queued":
                yield Fault(Kind.LOST, view.subject((number, name)), f"attempt {task.attempt} waits for ever")
            elif task.status != status and not (view.run.status == RunStatus.FAILED and task.status == CANCELLED):
                yield Fault(Kind.WRONG, view.subject((number, name)), f"it is {task.status}, not {status}")
    known = {(number, name) for number, tasks in view.expected.stages.items() for name in tasks}
    for key in view.tasks.keys() - known:
        yield Fault(Kind.DUPLICATED, view.subject(key), "nobody asked for it")


def _attempts(view: View) -> Iterator[Fault]:
    """Numbered without gaps, one after the other, their tokens growing; one completed each completed task, the last."""
    for key, task in view.tasks.items():
        attempts, subject = view.attempts.get(key, ()), view.subject(key)
        if [attempt.attempt for attempt in attempts] != list(range(1, len(attempts) + 1)):
            yield Fault(Kind.LOST, subject, f"attempts {[attempt.attempt for attempt in attempts]}")
        for before, after in pairwise(attempts):
            if not before.token < before.ended < after.token < after.ended:
                yield Fault(Kind.ZOMBIE, subject, f"attempt {after.attempt} overlaps the one before")
        final = {COMPLETED: "completed", FAILED: "failed"}.get(TaskStatus(task.status))
        ends = [attempt.attempt for attempt in attempts if attempt.outcome in ("completed", "failed")]
        if final is None:
            if ends:
                yield Fault(Kind.WRONG, subject, f"it is {task.status}, though attempt {ends[0]} ended it")
        elif not ends:
            yield Fault(Kind.LOST, subject, f"it is {task.status} without an attempt that was")
        elif len(ends) > 1:
            yield Fault(Kind.DUPLICATED, subject, f"attempts {ends} ended it")
        elif (attempts[-1].outcome, attempts[-1].attempt) != (final, task.attempt):
            yield Fault(Kind.ZOMBIE, subject, f"attempt {ends[0]} ended it, and attempt {task.attempt} was the last")


def _results(view: View) -> Iterator[Fault]:
    """What is stored was made by the attempt that completed the task, in a call that the effect log knows."""
    for number in view.stages:
        for name, product in view.products(number).items():
            key = (number, name)
            last = view.tasks[key].attempt
            made = [effect for effect in view.effects.get(key, ()) if effect.act is Act.ENDED]
            if product.attempt != last:
                yield Fault(Kind.ZOMBIE, view.subject(key), f"attempt {last} ended with attempt {product.attempt}'s")
            elif (product.attempt, product.mark) not in {(effect.attempt, effect.mark) for effect in made}:
                yield Fault(Kind.WRONG, view.subject(key), "no call made what is stored")


def _uses(view: View) -> Iterator[Fault]:
    """Each result was used once, by the next stage."""
    for number in view.stages:
        if number + 1 not in view.stages:
            continue
        made = {product.mark for product in view.products(number).values()}
        loads = [
            Load.model_validate_json(task.parameters_json) for task in view.tasks.values() if task.stage == number + 1
        ]
        used = Counter(mark for load in loads for mark in load.marks)
        for mark in made - used.keys():
            yield Fault(Kind.LOST, view.subject(number), f"the result of call {mark} was not used")
        for mark in used.keys() - made:
            yield Fault(Kind.ZOMBIE, view.subject(number), f"the result of call {mark} was used and is not stored")
        for mark, times in used.items():
            if times > 1:
                yield Fault(Kind.DUPLICATED, view.subject(number), f"the result of call {mark} was used {times} times")


def _calls(view: View) -> Iterator[Fault]:
    """No attempt was run twice, and none that was never granted."""
    for key, effects in view.effects.items():
        calls = Counter(effect.attempt for effect in effects if effect.act is Act.BEGAN)
        granted = {attempt.attempt for attempt in view.attempts.get(key, ())}
        for attempt, times in calls.items():
            if times > 1:
                yield Fault(Kind.DUPLICATED, view.subject(key), f"attempt {attempt} ran {times} times")
            if attempt not in granted and view.run.ended:
                yield Fault(Kind.WRONG, view.subject(key), f"attempt {attempt} ran and was never granted")


def _phases(view: View) -> Iterator[Fault]:
    """What an attempt saved, no later one did again."""
    for key, effects in view.effects.items():
        saved: dict[str, int] = {}
        for effect in effects:
            if effect.act is Act.PHASE_SAVED:
                saved[effect.detail] = min(effect.attempt, saved.get(effect.detail, effect.attempt))
        for effect in effects:
            if effect.act is Act.PHASE_BEGAN and effect.attempt > saved.get(effect.detail, effect.attempt):
                what = f"attempt {effect.attempt} did phase {effect.detail}, which attempt {saved[effect.detail]} saved"
                yield Fault(Kind.REPEATED, view.subject(key), what)
