"""What can stop the stack.

::

    LocalError
    +-- StackError
        +-- PartFailed     a part did not start, or ended and is not to be started again
        +-- StackRuns      another stack has this clone, or the data folder
        +-- DataUnusable   the data folder is not one of a stack
"""

from __future__ import annotations

from local.errors import LocalError


class StackError(LocalError):
    pass


class PartFailed(StackError):
    pass


class StackRuns(StackError):
    pass


class DataUnusable(StackError):
    pass
