"""The error tree. Codes are stable and public; whether to retry is a property of the class.

::

    CoreMachineError                     code, retryable, details
    +-- DefinitionError                  a registry or job definition is wrong; names the culprit
    +-- InvalidInput                     the caller's input is wrong; never retryable
    |   +-- InvalidIdentifier
    |   +-- InvalidParameters            parameters do not fit the model
    |   +-- UnknownJobType, UnknownTaskType
    |   +-- JobNotFound
    |   +-- MessageInvalid               bytes that are not one of our messages
    |   +-- MessageVersionUnsupported
    |   +-- MessageTooLarge              over the bus tier's limit
    |   +-- ClaimLost                    the payload that a message refers to is gone, or is another
    |   +-- BlobNotFound, BlobNameInvalid
    |   +-- IdempotencyConflict          same key, different content
    |   +-- RunNotFound, RunNotEnded, RunEnded
    |   +-- NothingToReplay              the run has no failed or cancelled task
    |   +-- InvalidCursor
    |   +-- DeadLetterNotFound
    |   +-- OperationConflict            somebody did the same, or the opposite, at the same time
    |   +-- TextNotStorable              NUL or half a surrogate pair in a text
    |       +-- TextTooLong              over the length that a store takes
    +-- TransientError                   retryable: the same call may succeed later
    |   +-- StoreUnavailable
    |   |   +-- StoreBusy                somebody holds what is needed; nothing was written
    |   |   +-- StoreReadOnly            a standby, or a server that was set to read-only
    |   |   +-- StoreFull                no disk, memory or configured room left on the server
    |   |   +-- StoreMisconfigured       password, database, privilege or TLS: a person has to act
    |   |   +-- StoreSchemaMismatch      the schema is older or newer than the code
    |   +-- BusUnavailable
    |   |   +-- BusBusy                  throttled: come again later
    |   |   +-- BusFull                  the queue or the namespace has no room left
    |   |   +-- BusMisconfigured         key, identity, role, queue or TLS: a person has to act
    |   +-- BlobStoreUnavailable
    |   |   +-- BlobStoreMisconfigured   key, identity, role, firewall or TLS: a person has to act
    |   +-- BlobConflict                 replaced, removed or held by somebody else meanwhile
    +-- StoreInconsistent                a constraint that never fires did, or our SQL is wrong
    +-- BlobRequestRefused               the blob storage does not take what we ask: our request is wrong
    +-- BusRequestRefused                the bus does not take what we ask: our request is wrong
    +-- BusWrongThread                   a message is settled by another thread than the one that received it
    +-- LeaseLost                        another holder, or the run ended; the write was refused
    +-- HandlerLost                      the process that a handler ran in ended without an outcome
    +-- LockLost                         the message's peek-lock is gone; settling was refused
    +-- CapacityExceeded                 a bound on memory, bytes or count was reached
    +-- DependencyMissing                an optional package or model is not installed
    +-- TaskError                        base for what handlers raise on purpose
        +-- TransientTaskError           retryable

An exception outside this tree that leaves a handler becomes ``HANDLER_ERROR``, not retryable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class CoreMachineError(Exception):
    """Base of the tree.

    ``details`` are JSON values that are safe to show outside; nothing secret, no document text.
    """

    code: ClassVar[str] = "INTERNAL_ERROR"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, object] = details


class DefinitionError(CoreMachineError):
    code = "DEFINITION_ERROR"


class InvalidInput(CoreMachineError):
    code = "INVALID_INPUT"


class InvalidIdentifier(InvalidInput):
    code = "INVALID_IDENTIFIER"


class InvalidParameters(InvalidInput):
    code = "INVALID_PARAMETERS"


class UnknownJobType(InvalidInput):
    code = "UNKNOWN_JOB_TYPE"


class UnknownTaskType(InvalidInput):
    code = "UNKNOWN_TASK_TYPE"


class JobNotFound(InvalidInput):
    code = "JOB_NOT_FOUND"


class MessageInvalid(InvalidInput):
    code = "MESSAGE_INVALID"


class MessageVersionUnsupported(InvalidInput):
    code = "MESSAGE_VERSION_UNSUPPORTED"


class MessageTooLarge(InvalidInput):
    code = "MESSAGE_TOO_LARGE"


class ClaimLost(InvalidInput):
    code = "CLAIM_LOST"


class BlobNotFound(InvalidInput):
    code = "BLOB_NOT_FOUND"


class BlobNameInvalid(InvalidInput):
    code = "BLOB_NAME_INVALID"


class IdempotencyConflict(InvalidInput):
    code = "IDEMPOTENCY_CONFLICT"


class RunNotFound(InvalidInput):
    code = "RUN_NOT_FOUND"


class RunNotEnded(InvalidInput):
    code = "RUN_NOT_ENDED"


class RunEnded(InvalidInput):
    code = "RUN_ENDED"


class NothingToReplay(InvalidInput):
    code = "NOTHING_TO_REPLAY"


class InvalidCursor(InvalidInput):
    code = "INVALID_CURSOR"


class DeadLetterNotFound(InvalidInput):
    code = "DEAD_LETTER_NOT_FOUND"


class OperationConflict(InvalidInput):
    code = "OPERATION_CONFLICT"


class TextNotStorable(InvalidInput):
    code = "TEXT_NOT_STORABLE"


class TextTooLong(TextNotStorable):
    code = "TEXT_TOO_LONG"


class TransientError(CoreMachineError):
    code = "TRANSIENT_ERROR"
    retryable = True


class StoreUnavailable(TransientError):
    code = "STORE_UNAVAILABLE"


class StoreBusy(StoreUnavailable):
    code = "STORE_BUSY"


class StoreReadOnly(StoreUnavailable):
    code = "STORE_READ_ONLY"


class StoreFull(StoreUnavailable):
    code = "STORE_FULL"


class StoreMisconfigured(StoreUnavailable):
    code = "STORE_MISCONFIGURED"


class StoreSchemaMismatch(StoreUnavailable):
    code = "STORE_SCHEMA_MISMATCH"


class BusUnavailable(TransientError):
    code = "BUS_UNAVAILABLE"


class BusBusy(BusUnavailable):
    code = "BUS_BUSY"


class BusFull(BusUnavailable):
    code = "BUS_FULL"


class BusMisconfigured(BusUnavailable):
    code = "BUS_MISCONFIGURED"


class BlobStoreUnavailable(TransientError):
    code = "BLOB_STORE_UNAVAILABLE"


class BlobStoreMisconfigured(BlobStoreUnavailable):
    code = "BLOB_STORE_MISCONFIGURED"


class BlobConflict(TransientError):
    code = "BLOB_CONFLICT"


class StoreInconsistent(CoreMachineError):
    code = "STORE_INCONSISTENT"


class BlobRequestRefused(CoreMachineError):
    code = "BLOB_REQUEST_REFUSED"


class BusRequestRefused(CoreMachineError):
    code = "BUS_REQUEST_REFUSED"


class BusWrongThread(CoreMachineError):
    code = "BUS_WRONG_THREAD"


class LeaseLost(CoreMachineError):
    code = "LEASE_LOST"


class HandlerLost(CoreMachineError):
    """``lost_code`` and the message say how, as they are stored for the attempt, which may be tried again.

    ``charged`` is false where it was not the handler's doing.
    """

    code = "HANDLER_LOST"

    def __init__(self, lost_code: str, message: str, *, charged: bool = True) -> None:
        super().__init__(message)
        self.lost_code = lost_code
        self.charged = charged


class LockLost(CoreMachineError):
    code = "LOCK_LOST"


class CapacityExceeded(CoreMachineError):
    code = "CAPACITY_EXCEEDED"


class DependencyMissing(CoreMachineError):
    code = "DEPENDENCY_MISSING"


class TaskError(CoreMachineError):
    code = "TASK_FAILED"


class TransientTaskError(TaskError):
    code = "TASK_FAILED_TRANSIENTLY"
    retryable = True
