from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidIdentifier
from core.ids import (
    MAX_ATTEMPT,
    MAX_MESSAGE_ID,
    MAX_RUN,
    MAX_STAGE,
    MAX_TASK_NAME,
    JobId,
    is_type_name,
    job_id_for,
    job_message_id,
    parse_job_id,
    stage_complete_message_id,
    task_id_for,
    task_message_id,
)

JOB = JobId("a" * 64)
task_names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}", fullmatch=True)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.integers(1, MAX_RUN), st.integers(1, MAX_STAGE), st.integers(1, MAX_ATTEMPT), task_names)
def test_no_message_id_is_longer_than_service_bus_takes(run: int, stage: int, attempt: int, name: str) -> None:
    ids = [
        task_message_id(task_id_for(JOB, run, stage, name), attempt),
        job_message_id(JOB, run),
        stage_complete_message_id(JOB, run, stage),
    ]

    assert max(map(len, ids)) <= MAX_MESSAGE_ID


def test_the_longest_message_id_fits() -> None:
    longest = task_message_id(task_id_for(JOB, MAX_RUN, MAX_STAGE, "n" * MAX_TASK_NAME), MAX_ATTEMPT)

    assert len(longest) <= MAX_MESSAGE_ID


def test_no_two_messages_of_a_run_share_an_id() -> None:
    ids = [job_message_id(JOB, 1)]
    for stage in (1, 11):
        ids.append(stage_complete_message_id(JOB, 1, stage))
        for name in ("a", "1", "job", "stage_complete", "stage_complete.1"):
            ids += [task_message_id(task_id_for(JOB, 1, stage, name), attempt) for attempt in (2, 12)]

    assert len(set(ids)) == len(ids)


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_a_job_id_does_not_depend_on_the_order_of_the_parameters(parameters: dict[str, object]) -> None:
    backwards = dict(reversed(list(parameters.items())))

    job_id = job_id_for("a", parameters, "t")

    assert job_id == job_id_for("a", backwards, "t") == parse_job_id(job_id)


def test_a_job_id_depends_on_type_parameters_tenant_and_key() -> None:
    ids = [
        job_id_for("a", {}, "t"),
        job_id_for("b", {}, "t"),
        job_id_for("a", {"x": 1}, "t"),
        job_id_for("a", {"x": "1"}, "t"),
        job_id_for("a", {}, "u"),
        job_id_for("a", {}, "t", "key"),
        job_id_for("a", {"idempotency_key": "key"}, "t"),
    ]

    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("text", ["", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 64 + "\n", "../" + "a" * 61])
def test_what_is_not_a_job_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        parse_job_id(text)


@pytest.mark.parametrize("name", ["", "n" * 41, ".a", "-a", "_a", "a b", "a:b", "a/b", "ä", "a\n", "a@b", 'a"b'])
def test_a_task_name_outside_its_alphabet_is_refused_and_named(name: str) -> None:
    with pytest.raises(InvalidIdentifier) as caught:
        task_id_for(JOB, 1, 1, name)

    assert repr(name[:60]) in str(caught.value)


@pytest.mark.parametrize(("name", "good"), [("a", True), ("a1_b", True), ("a" * 64, True), ("a" * 65, False)])
def test_type_names_are_bounded(name: str, good: bool) -> None:
    assert is_type_name(name) is good


@pytest.mark.parametrize("name", ["", "A", "1a", "_a", "a-b", "a.b", "a b", "a\n", "ä"])
def test_type_names_have_a_small_alphabet(name: str) -> None:
    assert not is_type_name(name)
