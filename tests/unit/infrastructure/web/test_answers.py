"""ETags: of the bytes, compared as RFC 9110 says."""

from __future__ import annotations

import pytest

from infrastructure.web.answers import Answer, conditional

ANSWER = Answer(200, b"{}", headers={"Retry-After": "1"})
TAG = conditional(ANSWER, None).headers["ETag"]


def test_the_same_bytes_have_the_same_tag_and_others_another() -> None:
    assert conditional(Answer(200, b"{}"), None).headers["ETag"] == TAG
    assert conditional(Answer(200, b"{ }"), None).headers["ETag"] != TAG


@pytest.mark.parametrize("given", [TAG, f"W/{TAG}", f'"x", {TAG}', "*", f' {TAG} ,"y"'])
def test_a_client_that_has_it_gets_304_without_it(given: str) -> None:
    answer = conditional(ANSWER, given)

    assert (answer.status, answer.content) == (304, b"")
    assert answer.headers == {"Retry-After": "1", "ETag": TAG}


@pytest.mark.parametrize("given", [None, "", '"x"', TAG.strip('"'), f"w/{TAG}"])
def test_a_client_that_has_it_not_gets_it(given: str | None) -> None:
    assert conditional(ANSWER, given).content == b"{}"
