"""What is registered, from which settings."""

from __future__ import annotations

from dataclasses import fields

import pytest

from handlers.document import DocumentLimits
from infrastructure.settings import Settings, SettingsInvalid
from infrastructure.wiring import build_registries, document_limits
from testing.ocr_engines import ReadsNothing, always

LIMITS = [limit.name for limit in fields(DocumentLimits)]


def test_a_limit_that_nobody_sets_is_what_it_is_by_itself() -> None:
    assert document_limits(Settings.from_environment({})) == DocumentLimits()


@pytest.mark.parametrize("name", LIMITS)
def test_each_limit_of_documents_is_a_setting(name: str) -> None:
    set_to_seven = Settings.from_environment({f"DOCUMENT_{name.upper()}": "7"})

    assert getattr(document_limits(set_to_seven), name) == 7


def test_a_list_of_hosts_that_cannot_be_is_told_at_the_start() -> None:
    with pytest.raises(SettingsInvalid):
        build_registries(Settings.from_environment({"DOCUMENT_FETCH_HOSTS": "http://"}), always(ReadsNothing()))


def test_the_time_of_a_task_is_a_setting() -> None:
    settings = Settings.from_environment({"DOCUMENT_TASK_SECONDS": "77"})
    _, handlers = build_registries(settings, always(ReadsNothing()))

    assert [handlers[name].timeout for name in ("ocr_recognise_pages", "ocr_assemble")] == [77, 77]
