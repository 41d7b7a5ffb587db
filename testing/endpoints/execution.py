"""One call of the harness: a machine of its own, run to its end, and what there is to tell of it."""

from __future__ import annotations

import base64
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from core.consumer import Settlement
from core.context import StopSignal
from core.ids import TaskId
from core.messages import decode
from core.model import RunRecord, RunStatus, TaskStatus
from core.outcome import ErrorInfo, Failed
from core.ports import Clock, ReceivedMessage
from testing.clock import SkippingClock
from testing.endpoints.limits import HarnessLimits
from testing.endpoints.requests import ExecuteRequest, RunRequest
from testing.factories import Registries, create_single_task, create_test_harness
from testing.faults import FaultInjector, FaultPlan
from testing.harness import Harness
from testing.memory_blobs import MemoryBlobStore
from testing.mock_state import MockStateManager

SUCCESSFUL = frozenset({RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_ERRORS})


@dataclass(frozen=True, slots=True)
class Told:
    """The answer of an execution, and what ``GET test/state`` and ``GET test/messages`` show of it later."""

    success: bool
    body: dict[str, Any]
    state_snapshot: dict[str, Any]
    operations: list[dict[str, str]]
    messages: list[dict[str, Any]]
    summary: dict[str, Any]


class Execution:
    """The mocks of one call, bounded, shared with nobody."""

    def __init__(
        self,
        registries: Registries,
        request: RunRequest,
        limits: HarnessLimits,
        clock: Clock,
        stop: StopSignal | None = None,
    ) -> None:
        time_source = SkippingClock(clock)
        self.blobs = MemoryBlobStore(limits.max_blob_bytes)
        self.state = MockStateManager(time_source, max_tasks=limits.max_tasks, max_bytes=limits.max_state_bytes)
        self.request = request
        self.limits = limits
        self.stop = stop or StopSignal()
        self.seconds_of_stage: dict[int, float] = defaultdict(float)
        self.harness, self.injector = _harness(registries, request, self, time_source)
        self._mark = time.perf_counter()

    def execute(self, task_type: str, request: ExecuteRequest) -> Told:
        """Run one task, once; with faults, until it has ended."""
        message = create_single_task(self.harness.clean, self.state, task_type, request.params, request.job_type)
        started = time.perf_counter()
        if request.traced:
            self.harness.inject(message)
            drained = self.harness.drain(
                reraise=False, stop=self.stop, max_messages=self.limits.max_messages, task_id=message.task_id
            )
            failure = drained.last_failure.get(message.job_id)
        else:
            processed = self.harness.process_once(message, self.stop)
            failure = processed.outcome if isinstance(processed.outcome, Failed) else None
        elapsed = time.perf_counter() - started
        return self._told(self._task_answer(message.task_id, failure, elapsed))

    def run(self, job_type: str) -> Told:
        """Run a job, all its stages."""
        started = time.perf_counter()
        submitted = self.harness.submit(job_type, self.request.params)
        self.harness.drain(reraise=False, stop=self.stop, max_messages=self.limits.max_messages)
        run = self.state.load_run(submitted.job_id, submitted.run)
        return self._told(self._job_answer(run or submitted, time.perf_counter() - started))

    def after_message(self, message: ReceivedMessage, _settlement: Settlement) -> None:
        """Book the time since the last message on the stage of this one."""
        now = time.perf_counter()
        stage = getattr(decode(message.body), "stage", 0)
        self.seconds_of_stage[stage] += now - self._mark
        self._mark = now

    def _task_answer(self, task_id: TaskId, failure: Failed | None, elapsed: float) -> dict[str, Any]:
        task = self.state.load_task(task_id)
        assert task is not None
        run = self.state.load_run(task.job_id, task.run)
        snapshot = self.state.get_state_snapshot()
        success = task.status is TaskStatus.COMPLETED
        return {
            "success": success,
            "task_type": task.task_type,
            "elapsed_seconds": round(elapsed, 6),
            "handler_result": snapshot["tasks"][task_id]["result"],
            "error": None if success else _error(task.error or (failure.error if failure else None), task.status),
            "lifecycle": {
                "task_id": task_id,
                "job_id": task.job_id,
                "job_type": run.job_type if run else None,
                "stage": task.stage,
                "status": task.status.value,
                "attempt": task.attempt,
            },
            "captured_messages": self._captured(),
            "state_snapshot": snapshot,
        }

    def _job_answer(self, run: RunRecord, elapsed: float) -> dict[str, Any]:
        snapshot = self.state.get_state_snapshot()
        return {
            "success": run.status in SUCCESSFUL,
            "job_id": run.job_id,
            "job_type": run.job_type,
            "status": run.status.value,
            "elapsed_seconds": round(elapsed, 6),
            "result": snapshot["jobs"][run.job_id]["result"],
            "error": _error(run.error, run.status) if run.status not in SUCCESSFUL else None,
            "stages": [
                {
                    "number": stage.number,
                    "name": stage.name,
                    "task_type": stage.task_type,
                    "status": stage.status.value,
                    "tasks": stage.total,
                    "failed": stage.failed,
                    "elapsed_seconds": round(self.seconds_of_stage[stage.number], 6),
                }
                for stage in run.stages
            ],
            "captured_messages": self._captured(),
            "state_snapshot": snapshot,
        }

    def _told(self, body: dict[str, Any]) -> Told:
        if self.request.traced:
            body["seed"] = self.injector.seed
            body["trace"] = [
                {"index": step.index, "operation": step.operation, "subject": step.subject, "fault": step.fault}
                for step in self.injector.trace
            ]
            body["trace_steps"] = self.injector.steps
            body["faults_injected"] = dict(self.injector.faults)
        if self.request.artifacts:
            body.update(self._artifacts())
        bus = self.harness.bus
        return Told(
            success=bool(body["success"]),
            body=body,
            state_snapshot=body["state_snapshot"],
            operations=self.state.get_operation_log(),
            messages=bus.get_sent_messages(),
            summary=bus.get_message_summary(),
        )

    def _captured(self) -> list[dict[str, Any]]:
        keys = ("queue_name", "message_type", "timestamp")
        return [{key: sent[key] for key in keys} for sent in self.harness.bus.get_sent_messages()]

    def _artifacts(self) -> dict[str, Any]:
        """The blobs that were written, and the names of those that the answer has no room for."""
        found: dict[str, dict[str, str]] = {}
        omitted: list[str] = []
        room = self.limits.max_artifact_bytes
        for name in self.blobs.names(""):
            size = self.blobs.size(name)
            if size > room:
                omitted.append(name)
                continue
            room -= size
            content = base64.b64encode(self.blobs.get(name)).decode("ascii")
            found[name] = {"content_type": self.blobs.content_type(name), "content_base64": content}
        return {"artifacts": found, "artifacts_omitted": omitted}


def _harness(
    registries: Registries, request: RunRequest, execution: Execution, clock: SkippingClock
) -> tuple[Harness, FaultInjector]:
    return create_test_harness(
        registries,
        clock=clock,
        seed=request.seed or 0,
        faults=request.faults.plan() if request.faults else FaultPlan(),
        traced=request.traced,
        blobs=execution.blobs,
        state=execution.state,
        on_message=execution.after_message,
    )


def _error(error: ErrorInfo | None, status: str) -> dict[str, Any]:
    if error is None:
        return {"code": "NOT_COMPLETED", "message": f"it ended as {status}", "retryable": True}
    return {"code": error.code, "message": error.message, "retryable": error.retryable}
