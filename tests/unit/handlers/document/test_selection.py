from __future__ import annotations

import pytest

from handlers.document.errors import PageNotFound
from handlers.document.selection import check_selection, selected_pages


@pytest.mark.parametrize(
    ("text", "pages"),
    [
        (None, [1, 2, 3, 4, 5, 6, 7]),
        ("1", [1]),
        ("7", [7]),
        ("1-3,7", [1, 2, 3, 7]),
        ("7,1-3,2", [1, 2, 3, 7]),
        ("5-", [5, 6, 7]),
        ("7-", [7]),
        ("2-2", [2]),
    ],
)
def test_pages_are_chosen_as_they_are_written(text: str | None, pages: list[int]) -> None:
    assert text is None or check_selection(text) == text
    assert selected_pages(text, 7) == pages


@pytest.mark.parametrize("text", ["8", "1-8", "8-", "1,9-12"])
def test_a_page_that_is_not_there_is_named(text: str) -> None:
    with pytest.raises(PageNotFound) as caught:
        selected_pages(text, 7)

    assert caught.value.details["pages"] == 7


@pytest.mark.parametrize(
    "text", ["", "0", "01", "-3", "1,", ",1", "1--3", "1-2-3", "a", "1;2", " 1", "1\n", "3-1", "1,4-2"]
)
def test_what_is_no_selection_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="page"):
        check_selection(text)


def test_a_selection_is_bounded() -> None:
    with pytest.raises(ValueError, match="page"):
        check_selection(",".join(["1"] * 600))
