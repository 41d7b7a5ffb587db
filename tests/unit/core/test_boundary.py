from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from core.boundary import guarded, parse_parameters, run_handler
from core.context import TaskContext
from core.errors import InvalidParameters, LeaseLost, TransientTaskError
from core.handlers import task_handler
from core.outcome import Failed, Interrupted, Outcome, RetryLater, Succeeded
from testing import fault_handlers as faults
from testing.factories import Registries, setup_single_task_test


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid")

    count: int = Field(ge=1)
    price: float = 1.0
    name: str = ""


class Opaque(BaseModel):
    thing: object


class Receipt(BaseModel):
    given_name: str = Field(alias="givenName")
    total: float = 0.0


def outcome_of(function: Callable[..., Any], parameters_json: str = '{"count": 2}') -> Outcome:
    handler = task_handler("my_task", function)
    return run_handler(handler, parameters_json, context())


def context() -> TaskContext:
    found: list[TaskContext] = []

    def look(params: faults.FaultParams, given: TaskContext) -> faults.FaultResult:
        found.append(given)
        return faults.FaultResult(attempt=1)

    registries = Registries.of([], [task_handler("look", look)])
    test = setup_single_task_test("look", {}, registries=registries)
    test.machine.process_task_message(test.message)
    return found[0]


def test_a_model_becomes_a_success_by_its_aliases() -> None:
    def handler(params: Order, context: TaskContext) -> Receipt:
        return Receipt(givenName="Ada", total=params.count * params.price)

    assert outcome_of(handler) == Succeeded('{"givenName":"Ada","total":2.0}')


def test_what_a_handler_asks_for_is_handed_on() -> None:
    later, stopped = RetryLater(5, "soon"), Interrupted("deploy")

    def retries(params: Order, context: TaskContext) -> Receipt | RetryLater:
        return later

    def stops(params: Order, context: TaskContext) -> Receipt | Interrupted:
        return stopped

    assert outcome_of(retries) is later
    assert outcome_of(stops) is stopped


@pytest.mark.parametrize(
    ("function", "code", "retryable"),
    [
        (faults.crashes, "HANDLER_ERROR", False),
        (faults.fails_transiently, "TASK_FAILED_TRANSIENTLY", True),
        (faults.exhausts_memory, "OUT_OF_MEMORY", False),
        (faults.returns_garbage, "INVALID_RESULT", False),
        (faults.returns_wrong_model, "INVALID_RESULT", False),
    ],
)
def test_whatever_goes_wrong_in_a_handler_becomes_a_failure(
    function: Callable[..., Any], code: str, retryable: bool
) -> None:
    outcome = outcome_of(function, "{}")

    assert isinstance(outcome, Failed)
    assert (outcome.error.code, outcome.error.retryable) == (code, retryable)
    assert faults.FOREIGN_TEXT not in repr(outcome.error)


def test_the_exception_itself_is_kept_for_the_harness() -> None:
    outcome = outcome_of(faults.crashes, "{}")

    assert isinstance(outcome, Failed)
    assert isinstance(outcome.cause, RuntimeError)
    assert faults.FOREIGN_TEXT not in repr(outcome)


@pytest.mark.parametrize("text", ["", "null", "[]", '{"count": 0}', '{"count": "swordfish"}', '{"count": 1, "x": 2}'])
def test_stored_parameters_that_do_not_fit_are_a_final_failure(text: str) -> None:
    def handler(params: Order, context: TaskContext) -> Receipt:
        raise AssertionError("it must not be called")

    outcome = outcome_of(handler, text)

    assert isinstance(outcome, Failed)
    assert (outcome.error.code, outcome.error.retryable) == ("INVALID_PARAMETERS", False)
    assert "swordfish" not in repr(outcome.error)


def test_a_result_that_cannot_be_written_is_a_failure() -> None:
    def handler(params: Order, context: TaskContext) -> Opaque:
        return Opaque(thing=object())

    outcome = outcome_of(handler)

    assert isinstance(outcome, Failed)
    assert outcome.error.code == "HANDLER_ERROR"


def test_a_lost_lease_is_no_outcome_and_passes_through() -> None:
    def handler(params: Order, context: TaskContext) -> Receipt:
        raise LeaseLost("taken over")

    with pytest.raises(LeaseLost):
        outcome_of(handler)


def test_the_end_of_the_process_passes_through() -> None:
    def leave() -> None:
        raise SystemExit(1)

    with pytest.raises(SystemExit):
        guarded(leave)


def test_guarded_hands_on_what_is_returned_and_describes_what_is_raised() -> None:
    def fail(text: str) -> str:
        raise TransientTaskError(text)

    assert guarded(str.upper, "a") == "A"
    failed = guarded(fail, "again")
    assert isinstance(failed, Failed)
    assert failed.error.message == "again"


class TestParseParameters:
    def test_good_values_become_the_model(self) -> None:
        assert parse_parameters(Order, {"count": 3}, "job") == Order(count=3)

    def test_each_problem_names_its_field_and_not_its_value(self) -> None:
        with pytest.raises(InvalidParameters) as caught:
            parse_parameters(Order, {"count": 0, "name": 7, "extra": "swordfish"}, "job type 'x'")

        problems = caught.value.details["problems"]
        assert isinstance(problems, list)
        assert {problem["field"] for problem in problems} == {"count", "name", "extra"}
        assert "job type 'x'" in str(caught.value)
        assert "swordfish" not in repr(problems)

    @pytest.mark.parametrize("value", [None, [], "text", 7])
    def test_what_is_not_an_object_is_refused(self, value: object) -> None:
        with pytest.raises(InvalidParameters):
            parse_parameters(Order, value, "job")

    @pytest.mark.parametrize(
        "value",
        [{"count": 1, "price": float("nan")}, {"count": 1, "price": float("inf")}, {"count": 1, "name": "\ud800"}],
    )
    def test_what_json_cannot_hold_is_refused(self, value: object) -> None:
        with pytest.raises(InvalidParameters):
            parse_parameters(Order, value, "job")
