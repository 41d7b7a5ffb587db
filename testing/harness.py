"""Runs a machine in memory to quiescence: no queue, no waiting, every fault that a seed asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from core.attempts import Processed
from core.consumer import AbandonMessage, DeadLetterMessage, Settlement, dispatch, settle
from core.context import StopSignal
from core.errors import CoreMachineError, TransientError
from core.ids import JobId, TaskId
from core.machine import CoreMachine
from core.messages import TaskQueueMessage, decode
from core.model import OutboundMessage, RunRecord
from core.outcome import Failed
from core.ports import MessageBus, ReceivedMessage
from core.reconciler import Reconciler, ReconcilerPolicy
from testing.faults import SimulatedCrash
from testing.mock_bus import MockServiceBusRepository
from testing.mock_state import MockStateManager

RECEIVE_BATCH = 64
MAX_IDLE_PASSES = 200


class RunFailed(AssertionError):
    """A run ended as failed, and there is no exception behind it that could be raised again."""


class NotQuiescent(AssertionError):
    """The harness ran out of steps, or nothing more could happen, with runs that had not ended."""


class HarnessStopped(CoreMachineError):
    """The harness was asked to stop before the job ended."""

    code = "HARNESS_STOPPED"


@dataclass(slots=True)
class Drained:
    """What a drain saw. ``last_failure`` is the newest failed outcome of a handler or definition, by job id.

    No more are kept: an exception holds the frames that it came through, and they hold pages.
    """

    messages: int = 0
    crashes: int = 0
    abandoned: int = 0
    repaired: int = 0
    passes: int = 0
    last_failure: dict[JobId, Failed] = field(default_factory=dict)
    dead_lettered: list[CoreMachineError] = field(default_factory=list)


OnMessage = Callable[[ReceivedMessage, Settlement], None]


class Harness:
    """One worker over the mocks. ``machine`` may see store and bus through fault wrappers; the harness does not.

    ``on_message`` is called after each message that was processed.
    """

    def __init__(
        self,
        clean: CoreMachine,
        state: MockStateManager,
        bus: MockServiceBusRepository,
        *,
        machine: CoreMachine | None = None,
        faulty_bus: MessageBus | None = None,
        on_message: OnMessage | None = None,
    ) -> None:
        self.clean = clean
        self.machine = machine or clean
        self.state = state
        self.bus = bus
        self.clock = bus.clock
        self._bus: MessageBus = faulty_bus or bus
        self._policy = ReconcilerPolicy()
        self._reconciler = Reconciler(self.machine, self._bus, self._policy)
        self._on_message = on_message

    def submit(self, job_type: str, parameters: Mapping[str, object]) -> RunRecord:
        """Submit a job without faults: the caller's own errors are the caller's to hear."""
        return self.clean.submit(job_type, parameters).run

    def process_once(self, message: TaskQueueMessage, stop: StopSignal | None = None) -> Processed:
        """Process a task message that was not sent, without faults."""
        return self.clean.process_task_message(message, stop)

    def inject(self, message: TaskQueueMessage) -> None:
        """Enqueue a task message, as if it had been published."""
        self.state.mark_injected(message.task_id, self.clock.now())
        queues = self.machine.queues
        queue = queues.long_running if self.machine.handlers.find(message.task_type).long_running else queues.tasks
        self.bus.inject(OutboundMessage(queue, message.message_id, message.name, message.encode()))

    def drain(
        self,
        *,
        reraise: bool = True,
        max_messages: int = 1_000_000,
        stop: StopSignal | None = None,
        task_id: TaskId | None = None,
    ) -> Drained:
        """Process messages, skip waits and repair, until every run has ended or is paused and no message is left.

        With ``task_id``, only task messages are processed, until that task has ended.
        With ``reraise``, what the last failing handler of a failed run raised is raised again, or
        :class:`RunFailed` where it raised nothing. Raises :class:`NotQuiescent` over ``max_messages``, or as
        many passes, or where a run is stuck; :class:`HarnessStopped` once ``stop`` is set.
        """
        drained = Drained()
        idle_passes = 0
        stop = stop or StopSignal()
        names = self.machine.queues
        queues = names.all() if task_id is None else (names.tasks, names.long_running)
        while task_id is None or not self.state.task_ended(task_id):
            if stop.reason is not None:
                raise HarnessStopped(f"stopped: {stop.reason}")
            drained.passes += 1
            if max(drained.messages, drained.passes) > max_messages or idle_passes > MAX_IDLE_PASSES:
                raise NotQuiescent(f"not quiescent after {drained.messages} messages: {self.state.open_runs()[:3]}")
            if self._pump(drained, stop, queues):
                idle_passes = 0
            elif self._skip_to_next(queues):
                continue
            elif all(run.paused for run in self.state.open_runs()):
                break
            else:
                idle_passes += 1
                self._repair(drained)
        if reraise:
            _reraise(self.state, drained)
        return drained

    def _pump(self, drained: Drained, stop: StopSignal, queues: Sequence[str]) -> bool:
        """Receive and process from each queue once; whether there was anything."""
        worked = False
        for queue in queues:
            try:
                for message in self._bus.receive(queue, RECEIVE_BATCH):
                    worked = True
                    if stop.reason is not None:
                        return worked
                    self._process(message, drained, stop)
            except SimulatedCrash:
                drained.crashes += 1
            except TransientError:
                drained.abandoned += 1
        return worked

    def _process(self, message: ReceivedMessage, drained: Drained, stop: StopSignal) -> None:
        drained.messages += 1
        settlement = dispatch(self.machine, message.body, stop)
        if isinstance(settlement, Processed):
            if isinstance(settlement.outcome, Failed):
                drained.last_failure[decode(message.body).job_id] = settlement.outcome
        elif isinstance(settlement, AbandonMessage):
            drained.abandoned += 1
        elif isinstance(settlement, DeadLetterMessage):
            drained.dead_lettered.append(settlement.error)
        if self._on_message is not None:
            self._on_message(message, settlement)
        settle(self._bus, message, settlement)

    def _skip_to_next(self, queues: Sequence[str]) -> bool:
        """Move the clock to the next event of ``queues``; whether there is one."""
        due = self.bus.next_due(queues)
        if due is None:
            return False
        self.clock.advance(max(0.0, (due - self.clock.now()).total_seconds()))
        return True

    def _repair(self, drained: Drained) -> None:
        """Skip far enough for the reconciler to call the rest lost, and let it repair."""
        self.clock.advance(self._policy.stale_after + 1)
        lease_end = self.state.next_due()
        if lease_end is not None and lease_end > self.clock.now():
            self.clock.advance((lease_end - self.clock.now() + timedelta(seconds=1)).total_seconds())
        try:
            drained.repaired += self._reconciler.run_once().total
        except SimulatedCrash:
            drained.crashes += 1
        except TransientError:
            drained.abandoned += 1


def _reraise(state: MockStateManager, drained: Drained) -> None:
    for error in drained.dead_lettered:
        raise error
    for run in state.failed_runs():
        failed = drained.last_failure.get(run.job_id)
        if failed is not None and failed.cause is not None and failed.error == run.error:
            raise failed.cause
        raise RunFailed(f"job {run.job_type} failed: {run.error}")
