"""What the kill benchmark takes for lost, and for done twice."""

from __future__ import annotations

from random import Random

import pytest

from benchmarks.stack_kill import documents
from benchmarks.stack_load import Sample, _fifth, _slope
from benchmarks.stack_truth import TaskRow, Truth, faults

JOB = "a" * 64
EXPECTED = {JOB: 22}
TASKS = [
    TaskRow(JOB, name, "completed", 1, 1) for name in ("inspect", "pages-0001-0020", "pages-0021-0022", "assemble")
]
WHOLE = Truth([(JOB, 1, "completed", "")], TASKS, 0, {JOB: [f"pages/{page:04d}.json" for page in range(1, 23)]})


def test_what_was_done_once_has_no_faults_however_often_it_was_tried() -> None:
    tried_again = WHOLE._replace(tasks=[task._replace(attempts=3) for task in TASKS])

    assert list(faults(WHOLE, EXPECTED)) == []
    assert list(faults(tried_again, EXPECTED)) == []


@pytest.mark.parametrize(
    ("truth", "said"),
    [
        (WHOLE._replace(runs=[]), "has 0 runs"),
        (WHOLE._replace(runs=[*WHOLE.runs, (JOB, 2, "completed", "")]), "has 2 runs"),
        (WHOLE._replace(runs=[*WHOLE.runs, ("b" * 64, 1, "completed", "")]), "job bbbbbbbb has 1 runs"),
        (WHOLE._replace(runs=[(JOB, 1, "failed", "BLOB_NOT_FOUND")]), "is failed BLOB_NOT_FOUND"),
        (WHOLE._replace(tasks=TASKS[:-1]), "has 3 tasks for 22 pages"),
        (WHOLE._replace(tasks=[*TASKS[:-1], TASKS[-1]._replace(completions=2)]), "completed 2 times"),
        (WHOLE._replace(tasks=[*TASKS[:-1], TASKS[-1]._replace(status="queued", completions=0)]), "is queued"),
        (WHOLE._replace(pages={JOB: ["pages/0001.json"]}), "results of 1 pages"),
        (WHOLE._replace(leftovers=1), "1 leases and outbox rows"),
    ],
)
def test_each_fault_is_told(truth: Truth, said: str) -> None:
    assert any(said in fault for fault in faults(truth, EXPECTED))


def test_documents_are_all_different_and_have_the_pages_that_are_expected() -> None:
    made = documents(40, Random(1))

    assert len({document.content for document in made}) == 40
    assert {document.pages for document in made} == {1, 2, 3}
    assert documents(40, Random(1)) == made


def test_growth_is_that_of_the_fifths_and_the_slope_that_of_the_line() -> None:
    samples = [Sample(jobs, 100 + jobs / 10) for jobs in range(50)]

    assert _fifth(samples, 4) - _fifth(samples, 2) == pytest.approx(2.0)
    assert _slope(samples) == pytest.approx(0.1)
