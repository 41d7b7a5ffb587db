"""What can be wrong with a call that starts a task. The branch of the error tree that such calls add.

::

    InvalidInput
    +-- SignatureRefused                 not one of ours: nothing was looked at but the signature
    |   +-- SignatureMissing
    |   +-- SignatureMalformed
    |   +-- SignatureExpired             signed too long ago, or by a clock that is ahead
    |   +-- SignatureWrong               another key, or another method, path or body than was signed
    +-- StartInvalid                     the body is not what starts a task
    +-- CallbackRefused                  a callback that the worker would not make
    CoreMachineError
    +-- StartRefused                     the worker found the call itself wrong
    TransientError
    +-- WorkerBusy                       another task runs
    +-- WorkerUnavailable                no answer, or none of a worker that takes work
        +-- WorkerMisconfigured          address, keys, clock or version: a person has to act
"""

from __future__ import annotations

from core.errors import CoreMachineError, InvalidInput, TransientError


class SignatureRefused(InvalidInput):
    code = "SIGNATURE_REFUSED"


class SignatureMissing(SignatureRefused):
    code = "SIGNATURE_MISSING"


class SignatureMalformed(SignatureRefused):
    code = "SIGNATURE_MALFORMED"


class SignatureExpired(SignatureRefused):
    code = "SIGNATURE_EXPIRED"


class SignatureWrong(SignatureRefused):
    code = "SIGNATURE_WRONG"


class StartInvalid(InvalidInput):
    code = "START_INVALID"


class CallbackRefused(InvalidInput):
    code = "CALLBACK_REFUSED"


class StartRefused(CoreMachineError):
    """``details`` have the worker's status and code."""

    code = "START_REFUSED"


class WorkerBusy(TransientError):
    code = "WORKER_BUSY"


class WorkerUnavailable(TransientError):
    code = "WORKER_UNAVAILABLE"


class WorkerMisconfigured(WorkerUnavailable):
    code = "WORKER_MISCONFIGURED"
