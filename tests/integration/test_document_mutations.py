"""A few hundred hostile documents, each opened in a process with little memory that a watchdog looks after.

``python -m benchmarks.document_mutations`` opens ten thousand and more.
"""

from __future__ import annotations

import pytest

from benchmarks.document_bombs import BOMBS
from benchmarks.document_mutations import mutations
from benchmarks.document_mutations_change import mutated
from benchmarks.document_mutations_files import valid_files
from benchmarks.document_mutations_run import Nursery, Result
from handlers.document.files import open_document
from handlers.document.limits import DocumentLimits

PATIENCE = 60.0
"""Seconds until a document counts as hung: a machine that runs other tests beside this one is slow."""


@pytest.fixture(scope="module")
def nursery() -> Nursery:
    return Nursery(seconds=PATIENCE)


def test_changed_documents_are_opened_or_refused_with_a_code(nursery: Nursery) -> None:
    with nursery:
        results = list(nursery.results(mutations(range(420), seed=20)))

    assert [result for result in results if result.is_failure] == []
    assert {result.name for result in results} == set(valid_files())
    assert {"ok", "DECODE_FAILED"} <= {result.outcome for result in results}


def test_bombs_cost_next_to_nothing(nursery: Nursery) -> None:
    with nursery:
        results = list(nursery.results((name, {"bomb": name}) for name in BOMBS))

    assert [result for result in results if result.is_failure] == []
    # PDFium has a stream whole in memory while it unpacks it.
    assert [result for result in results if result.grown_mb > (200 if result.case.startswith("PDF") else 100)] == []
    assert sum(result.outcome == "ok" for result in results) < len(BOMBS) / 3


def test_a_child_that_dies_or_hangs_is_told_from_one_that_answers() -> None:
    with Nursery(seconds=PATIENCE) as nursery:
        unknown, good = nursery.results([("a", {"bomb": "nobody"}), ("b", {"case": 0, "seed": 0})])
    with Nursery(seconds=0.0) as impatient:
        (hung,) = impatient.results([("c", {"bomb": "PDF of 14,400 x 14,400 points"})])

    assert unknown.outcome == "crashed: exit code 1"
    assert not good.is_failure
    assert hung.outcome == "hung"
    assert [Result("d", "", outcome).is_failure for outcome in ("memory", "broken: x", "hung")] == [True] * 3


def test_the_files_that_mutations_start_from_are_whole() -> None:
    for name, data in valid_files().items():
        with open_document(data, DocumentLimits()) as document:
            for page in document.info.pages:
                assert document.pixels(page.number).warnings == (), name


def test_a_case_is_the_same_whenever_it_is_asked_for() -> None:
    files = valid_files()

    assert [mutated(files, case, 7) for case in range(50)] == [mutated(files, case, 7) for case in range(50)]
    assert sum(mutated(files, case, 7)[1] != files[mutated(files, case, 7)[0]] for case in range(50)) > 45
