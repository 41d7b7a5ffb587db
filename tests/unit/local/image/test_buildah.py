from __future__ import annotations

from typing import Any

import pytest

from local.image.buildah import Layer, layers_of


def inspected(*steps: dict[str, Any], digests: list[str]) -> dict[str, Any]:
    return {"OCIv1": {"history": list(steps), "rootfs": {"diff_ids": digests}}}


def test_a_layer_is_told_with_its_instruction_and_those_that_made_none_are_left_out() -> None:
    image = inspected(
        {"created_by": "ADD root"},
        {"created_by": "ENV A=1", "empty_layer": True},
        {"created_by": f"/bin/sh -c #(nop) COPY dir:{'0a' * 32} in /app "},
        digests=["sha256:a", "sha256:b"],
    )

    assert layers_of(image, {"sha256:b": 2, "sha256:a": 1}) == (Layer("ADD root", 1), Layer("COPY /app ", 2))


def test_a_history_that_does_not_fit_the_layers_is_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        layers_of(inspected({"created_by": "ADD root"}, digests=[]), {})
