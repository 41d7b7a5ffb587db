"""The names of the queues, and which of them a handler's tasks go to."""

from __future__ import annotations

from dataclasses import dataclass

from core.handlers import TaskHandler


@dataclass(frozen=True, slots=True)
class QueueNames:
    jobs: str = "jobs"
    tasks: str = "tasks"
    long_running: str = "long-running-tasks"

    def all(self) -> tuple[str, ...]:
        """Each queue once, also where one serves for two."""
        return tuple(dict.fromkeys((self.jobs, self.tasks, self.long_running)))

    def of(self, handler: TaskHandler) -> str:
        """The queue of a handler's tasks."""
        return self.long_running if handler.long_running else self.tasks
