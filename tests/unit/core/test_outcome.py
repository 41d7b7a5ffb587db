from __future__ import annotations

import math

import pytest

from core.errors import CoreMachineError, InvalidParameters, StoreUnavailable, TaskError, TransientTaskError
from core.outcome import CUT, MAX_ERROR_CODE, MAX_ERROR_MESSAGE, ErrorInfo, RetryLater, describe, shortened, storable


def all_errors(root: type[CoreMachineError] = CoreMachineError) -> list[type[CoreMachineError]]:
    return [root] + [error for child in root.__subclasses__() for error in all_errors(child)]


def test_an_error_of_our_tree_keeps_code_text_and_retryability() -> None:
    assert describe(TransientTaskError("try again")) == ErrorInfo("TASK_FAILED_TRANSIENTLY", "try again", True)
    assert describe(InvalidParameters("no")) == ErrorInfo("INVALID_PARAMETERS", "no", False)


@pytest.mark.parametrize("error", [RuntimeError("swordfish"), KeyError("swordfish"), OSError(2, "swordfish")])
def test_the_text_of_a_foreign_exception_is_never_shown(error: Exception) -> None:
    info = describe(error)

    assert "swordfish" not in repr(info)
    assert type(error).__name__ in info.message
    assert (info.code, info.retryable) == ("HANDLER_ERROR", False)


def test_running_out_of_memory_is_told_apart() -> None:
    assert describe(MemoryError("swordfish")) == ErrorInfo("OUT_OF_MEMORY", "the handler ran out of memory", False)


def test_a_long_text_is_cut_and_says_so() -> None:
    message = describe(TaskError("x" * 100_000)).message

    assert message == "x" * (MAX_ERROR_MESSAGE - len(CUT)) + CUT
    assert describe(TaskError("x" * MAX_ERROR_MESSAGE)).message == "x" * MAX_ERROR_MESSAGE


def test_an_error_is_never_longer_than_a_store_takes() -> None:
    class Odd(TaskError):
        code = "\0" * 1_000

    assert ErrorInfo("X" * 101, "m").code == "X" * (MAX_ERROR_CODE - len(CUT)) + CUT
    assert ErrorInfo("X" * 100, "m" * 2_000) == ErrorInfo(shortened("X" * 100, 100), shortened("m" * 2_000, 2_000))
    assert describe(Odd("")).code == "\ufffd" * (MAX_ERROR_CODE - len(CUT)) + CUT


@pytest.mark.parametrize("text", ["\ud800" * 3_000, "\U0001f600" * 3_000, "\0" * 3_000])
def test_what_is_replaced_does_not_make_a_text_longer_than_it_may_be(text: str) -> None:
    clean = storable(text)

    assert len(clean) == MAX_ERROR_MESSAGE
    assert clean.endswith(CUT)
    assert clean.encode().decode() == clean


def test_a_reason_to_be_called_later_is_cut() -> None:
    assert RetryLater(1, "x" * 5_000).reason.endswith(CUT)


def test_an_error_whose_constructor_forgot_ours_is_still_described() -> None:
    class Careless(TransientTaskError):
        code = "CARELESS"

        def __init__(self, page: int) -> None:
            self.page = page

    assert describe(Careless(3)) == ErrorInfo("CARELESS", "", True)


def test_codes_are_stable_and_belong_to_one_error_each() -> None:
    ours = [error for error in all_errors() if error.__module__ == "core.errors"]
    codes = [error.code for error in ours]

    assert len(set(codes)) == len(codes)
    assert all(code == code.upper() and code.replace("_", "").isalpha() for code in codes)


def test_only_what_may_pass_is_retryable() -> None:
    retryable = {error.__name__ for error in all_errors() if error.retryable and error.__module__ == "core.errors"}

    assert retryable == {
        "TransientError",
        "StoreUnavailable",
        "StoreBusy",
        "StoreReadOnly",
        "StoreFull",
        "StoreMisconfigured",
        "StoreSchemaMismatch",
        "BusBusy",
        "BusFull",
        "BusMisconfigured",
        "BusUnavailable",
        "BlobConflict",
        "BlobStoreMisconfigured",
        "BlobStoreUnavailable",
        "TransientTaskError",
    }
    assert describe(StoreUnavailable("away")).retryable


@pytest.mark.parametrize("delay", [-1, math.nan, math.inf, 86_400 * 7 + 1])
def test_a_delay_without_sense_is_refused(delay: float) -> None:
    with pytest.raises(ValueError, match="delay"):
        RetryLater(delay)
