"""What a handler gets in the worker."""

from __future__ import annotations

from core.context import TaskContext


class DockerTaskContext(TaskContext):
    """:class:`core.context.TaskContext`, and nothing but that, in the process that the worker runs tasks in: a handler
    is told to stop and saves what it did as it does everywhere.
    """

    __slots__ = ()
