"""A document that kills who opens it is known by what earlier attempts left in the checkpoint."""

from __future__ import annotations

import threading

import pytest

from core.context import StopReason
from core.errors import LeaseLost
from handlers.document import DocumentLimits, SourceReader
from handlers.document.errors import DecodeFailed, DocumentCrashed
from handlers.document.opening import opened_under_guard
from handlers.document.page_ledger import MAX_STRIKES
from handlers.document.parameters import InspectParameters
from handlers.document.source import ContentSource
from handlers.document.tasks import DocumentTasks
from testing.ocr_engines import ReadsNothing, always
from tests.support.documents import Context

SECONDS = 30.0


class Died(BaseException):
    """Stands for the end of the process: nothing of the handler runs on."""


def die() -> None:
    raise Died


def test_a_document_that_kills_its_process_again_and_again_is_given_up() -> None:
    made, states = Context(), [None]
    for _ in range(MAX_STRIKES):
        with pytest.raises(Died):
            opened_under_guard(made.make(), die)
        states.append(made.saved)  # type: ignore[arg-type]

    with pytest.raises(DocumentCrashed):
        opened_under_guard(made.make(), die)
    assert len(set(states)) == MAX_STRIKES + 1  # so none costs the task an attempt


def test_a_document_whose_worker_is_killed_five_times_is_opened() -> None:
    made = Context()
    for _ in range(MAX_STRIKES - 1):
        with pytest.raises(Died):
            opened_under_guard(made.make(), die)

    assert opened_under_guard(made.make(), lambda: "opened") == "opened"


def outlasted(saved: str | None) -> str | None:
    """What is saved by an attempt that dies after its task's deadline."""
    made, known = Context(saved=saved), threading.Event()
    made.on_save = lambda: known.set() if made.stop.reason else None

    def outlast() -> None:
        made.stop.set(StopReason.DEADLINE)
        assert known.wait(SECONDS)
        raise Died

    with pytest.raises(Died):
        opened_under_guard(made.make(), outlast)
    return made.saved


def test_a_document_that_outlasts_the_tasks_time_twice_is_given_up() -> None:
    once = outlasted(None)
    twice = outlasted(once)

    assert opened_under_guard(Context(saved=once).make(), lambda: "opened") == "opened"
    with pytest.raises(DocumentCrashed):
        opened_under_guard(Context(saved=twice).make(), die)


def test_what_is_wrong_with_the_document_is_told_as_it_is() -> None:
    params = InspectParameters(source=ContentSource(content_base64="iVBORw0KGgoAAAAN"))
    tasks = DocumentTasks(always(ReadsNothing()), SourceReader(), DocumentLimits())

    with pytest.raises(DecodeFailed):
        tasks.inspect(params, Context().make())


def test_whoever_has_lost_the_lease_opens_nothing() -> None:
    made = Context()

    def lost() -> None:
        raise LeaseLost("not ours")

    made.on_save = lost
    with pytest.raises(LeaseLost):
        opened_under_guard(made.make(), die)
