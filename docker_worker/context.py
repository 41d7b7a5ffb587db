"""What a handler gets in the worker."""

from __future__ import annotations

from core.context import TaskContext


class DockerTaskContext(TaskContext):
    """:class:`core.context.TaskContext` in the worker's child process."""

    __slots__ = ()
