"""Builds what a test needs in one line: a machine on the mocks, or one task ready to be processed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from core.boundary import parse_parameters
from core.handlers import TaskHandler
from core.jsontext import dump_json
from core.machine import CoreMachine
from core.messages import TaskQueueMessage
from core.ports import BlobStore
from core.registry import AnyJob, HandlerRegistry, JobRegistry
from handlers.hello_world import hello_world_handlers, hello_world_jobs
from testing.clock import AdvanceableClock, FakeClock, SeededIds
from testing.faults import FaultInjector, FaultPlan, FaultyBlobs, FaultyBus, FaultyStore
from testing.harness import Harness, OnMessage
from testing.memory_blobs import MemoryBlobStore
from testing.mock_bus import MockServiceBusRepository, QueueRules
from testing.mock_state import MockStateManager


class MachineOnMocks(NamedTuple):
    """What :func:`create_test_core_machine` gives."""

    machine: CoreMachine
    state: MockStateManager
    bus: MockServiceBusRepository


class SingleTaskTest(NamedTuple):
    """What :func:`setup_single_task_test` gives: ``machine.process_task_message(message)`` runs the task."""

    machine: CoreMachine
    state: MockStateManager
    bus: MockServiceBusRepository
    message: TaskQueueMessage


@dataclass(frozen=True, slots=True)
class Registries:
    jobs: JobRegistry
    handlers: HandlerRegistry

    @classmethod
    def of(cls, jobs: Iterable[AnyJob], handlers: Iterable[TaskHandler]) -> Registries:
        registry = HandlerRegistry(handlers)
        return cls(JobRegistry(jobs, registry), registry)

    @classmethod
    def hello_world(cls) -> Registries:
        return cls.of(hello_world_jobs(), hello_world_handlers())


def create_test_core_machine(
    registries: Registries | None = None,
    *,
    clock: AdvanceableClock | None = None,
    seed: int = 0,
    blobs: BlobStore | None = None,
    state: MockStateManager | None = None,
    rules: QueueRules | None = None,
) -> MachineOnMocks:
    """A machine on fresh mocks, with the hello_world registries unless others are given."""
    chosen = registries or Registries.hello_world()
    time = clock or FakeClock()
    store = state or MockStateManager(time)
    bus = MockServiceBusRepository(time, rules)
    machine = CoreMachine(
        chosen.jobs,
        chosen.handlers,
        store,
        bus,
        blobs=blobs or MemoryBlobStore(),
        clock=time,
        ids=SeededIds(seed),
    )
    return MachineOnMocks(machine, store, bus)


def create_test_harness(
    registries: Registries | None = None,
    *,
    clock: AdvanceableClock | None = None,
    seed: int = 0,
    faults: FaultPlan | None = None,
    traced: bool = False,
    blobs: BlobStore | None = None,
    state: MockStateManager | None = None,
    rules: QueueRules | None = None,
    on_message: OnMessage | None = None,
) -> tuple[Harness, FaultInjector]:
    """A harness whose machine meets the faults of ``faults``, drawn from ``seed``.

    The injector keeps a trace where there are faults, or ``traced`` asks for one.
    """
    clean, store, bus = create_test_core_machine(
        registries, clock=clock, seed=seed, blobs=blobs, state=state, rules=rules
    )
    injector = FaultInjector(faults or FaultPlan(), seed)
    if not (injector.plan.any or traced):
        return Harness(clean, store, bus, on_message=on_message), injector
    seen_bus = FaultyBus.wrap(bus, injector)
    machine = CoreMachine(
        clean.jobs,
        clean.handlers,
        FaultyStore.wrap(store, injector),
        seen_bus,
        blobs=FaultyBlobs.wrap(clean.blobs, injector),
        clock=clean.clock,
        ids=SeededIds(seed),
    )
    return Harness(clean, store, bus, machine=machine, faulty_bus=seen_bus, on_message=on_message), injector


def setup_single_task_test(
    task_type: str,
    parameters: Mapping[str, object],
    job_type: str | None = None,
    *,
    registries: Registries | None = None,
    clock: AdvanceableClock | None = None,
    blobs: BlobStore | None = None,
    state: MockStateManager | None = None,
) -> SingleTaskTest:
    """A machine with one queued task of ``task_type``, and the message that runs it. Raises as
    :func:`create_single_task`."""
    machine, store, bus = create_test_core_machine(registries, clock=clock, blobs=blobs, state=state)
    return SingleTaskTest(machine, store, bus, create_single_task(machine, store, task_type, parameters, job_type))


def create_single_task(
    machine: CoreMachine,
    state: MockStateManager,
    task_type: str,
    parameters: Mapping[str, object],
    job_type: str | None = None,
) -> TaskQueueMessage:
    """Put one queued task into ``state``; the message that runs it, which is not sent.

    ``job_type`` is by default the first job whose stages name the task type. Raises
    :class:`core.errors.UnknownTaskType`, :class:`core.errors.UnknownJobType` or
    :class:`core.errors.InvalidParameters`.
    """
    handler = machine.handlers.find(task_type)
    params = parse_parameters(handler.params_model, parameters, f"task type {task_type!r}")
    job, stage = _job_and_stage(machine.jobs, task_type, job_type)
    run = state.create_test_job(job)
    task = state.create_test_task(run.job_id, task_type, parameters_json=dump_json(params), stage=stage)
    return TaskQueueMessage(
        job_id=run.job_id, run=1, job_type=job, stage=stage, task_id=task.task_id, task_type=task_type, attempt=1
    )


def _job_and_stage(jobs: JobRegistry, task_type: str, job_type: str | None) -> tuple[str, int]:
    if job_type is not None:
        definition = jobs.find(job_type)
        return job_type, next((stage.number for stage in definition.stages if stage.task_type == task_type), 1)
    for name, definition in jobs.items():
        for stage in definition.stages:
            if stage.task_type == task_type:
                return name, stage.number
    return "single_task_test", 1
