from __future__ import annotations

import pytest

from core.errors import BlobNotFound, BlobStoreUnavailable
from handlers.portal.codes import Stage, code_of
from handlers.portal.errors import SealedDamaged, SealingKeyUnavailable


@pytest.mark.parametrize(
    ("error", "in_fetch", "later"),
    [
        (BlobStoreUnavailable("gone"), ("FETCH_TIMEOUT", True), ("UPLOAD_FAILED", True)),
        (SealingKeyUnavailable("gone"), ("FETCH_TIMEOUT", True), ("UPLOAD_FAILED", True)),
        (BlobNotFound("none"), ("ARTIFACT_NOT_FOUND", False), ("UPLOAD_FAILED", True)),
        (SealedDamaged("changed"), ("FETCH_FAILED", False), ("INTERNAL_ERROR", False)),
    ],
)
def test_what_may_pass_may_be_tried_again(
    error: Exception, in_fetch: tuple[str, bool], later: tuple[str, bool]
) -> None:
    for stage in Stage:
        code = code_of(error, stage)
        assert (code, code.retryable) == (in_fetch if stage is Stage.FETCH else later)
