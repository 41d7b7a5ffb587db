"""What can be wrong with a call of the worker. The branch of the error tree that its surface adds.

::

    InvalidInput
    +-- SurfaceRefusal                   status: that of the answer
        +-- RouteNotFound                404
        +-- MethodNotAllowed             405
        +-- KeyNotConfigured             403, no key is set, so that nobody has it
        +-- KeyWrong                     401
        +-- CallMalformed                400, what is no HTTP that the server reads
    TransientError
    +-- WorkerNotReady                   it starts or ends, or its loop is dead
"""

from __future__ import annotations

from typing import ClassVar

from core.errors import InvalidInput, TransientError


class SurfaceRefusal(InvalidInput):
    code = "CALL_REFUSED"
    status: ClassVar[int] = 400


class RouteNotFound(SurfaceRefusal):
    code = "ROUTE_NOT_FOUND"
    status = 404


class MethodNotAllowed(SurfaceRefusal):
    code = "METHOD_NOT_ALLOWED"
    status = 405


class KeyNotConfigured(SurfaceRefusal):
    code = "KEY_NOT_CONFIGURED"
    status = 403


class KeyWrong(SurfaceRefusal):
    code = "KEY_WRONG"
    status = 401


class CallMalformed(SurfaceRefusal):
    code = "CALL_MALFORMED"


class WorkerNotReady(TransientError):
    code = "WORKER_NOT_READY"
