"""Spoilt payloads, of which the benchmark has ten thousand: each has exactly one answer."""

from __future__ import annotations

import pytest

from benchmarks.once_mutations import measure


def test_every_payload_has_one_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docker_worker.once.task.log_to_stderr", lambda: None)  # of a process that has others besides

    found = measure(150, 4, seed=7)

    assert found["wrong_answers"] == 0
    codes = found["codes"]
    assert isinstance(codes, dict)
    assert sum(codes.values()) == 150
    assert {"success", "PAYLOAD_INVALID", "ARTIFACT_SOURCE_INVALID"} <= set(codes)
