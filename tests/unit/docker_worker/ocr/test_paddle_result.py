from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from docker_worker.ocr.paddle_result import Origin, better_reading, page_text_of, turned_in_doubt
from handlers.document.engine import PageText
from handlers.document.errors import OcrFailed

ORIGIN = Origin(400, 300, "paddleocr 0", ("detection", "recognition"))


class Result(dict[str, Any]):
    """As PaddleX has it: a dictionary by inheritance, whose attributes are other things."""

    rec_texts = ()


def quad(left: int, top: int, width: int = 80, height: int = 20) -> Any:
    return np.array(
        [[left, top], [left + width, top], [left + width, top + height], [left, top + height]], dtype=np.int16
    )


def result(*lines: tuple[str, float, Any], angle: int = 0, **changes: Any) -> list[Result]:
    return [
        Result(
            {
                "doc_preprocessor_res": {"angle": angle},
                "rec_texts": [text for text, _, _ in lines],
                "rec_scores": [score for _, score, _ in lines],
                "rec_polys": [polygon for _, _, polygon in lines],
            }
            | changes
        )
    ]


def test_texts_scores_and_polygons_become_lines() -> None:
    read = page_text_of(result(("below", 0.5, quad(10, 100)), ("above", 0.9, quad(10, 20))), ORIGIN)

    assert [(line.text, line.confidence) for line in read.lines] == [("above", 0.9), ("below", 0.5)]
    assert read.lines[0].polygon == ((10.0, 20.0), (90.0, 20.0), (90.0, 40.0), (10.0, 40.0))
    assert (read.width, read.height, read.angle, read.engine) == (400, 300, 0.0, "paddleocr 0")
    assert read.models == ("detection", "recognition")


def test_a_page_without_text_has_empty_lists() -> None:
    assert page_text_of(result(), ORIGIN).lines == ()


def test_a_mark_that_has_no_text_is_no_line() -> None:
    read = page_text_of(result(("", 0.0, quad(0, 0)), ("  ", 0.3, quad(0, 50)), (" a ", 0.8, quad(0, 90))), ORIGIN)

    assert [line.text for line in read.lines] == ["a"]


def test_corners_are_held_to_the_page() -> None:
    read = page_text_of(result(("a", 1.0000001, quad(-5, -3, 500, 20))), ORIGIN)

    assert read.lines[0].polygon == ((0.0, 0.0), (400.0, 0.0), (400.0, 17.0), (0.0, 17.0))
    assert read.lines[0].confidence == 1.0


@pytest.mark.parametrize(
    ("said", "angle", "first_corner"),
    [
        (-1, 0, (10.0, 20.0)),
        (0, 0, (10.0, 20.0)),
        (90, 90, (380.0, 10.0)),
        (180, 180, (390.0, 280.0)),
        (270, -90, (20.0, 290.0)),
    ],
)
def test_polygons_are_those_of_the_page_as_it_was_given(
    said: int, angle: int, first_corner: tuple[float, float]
) -> None:
    read = page_text_of(result(("text", 0.9, quad(10, 20)), angle=said), ORIGIN)

    assert read.angle == angle
    assert read.lines[0].polygon[0] == first_corner
    assert (read.width, read.height) == (400, 300)


def test_words_are_cut_from_the_lines_own_polygon() -> None:
    boxes = [[(10, 20), (50, 20), (50, 40), (10, 40)], [(50, 20), (54, 20)], [(54, 20), (90, 20)]]
    read = page_text_of(
        result(
            ("two,  words", 0.9, quad(10, 20)),
            text_word=[["two", ",  ", "words"]],
            text_word_region=[[tuple(box) for box in boxes]],
        ),
        ORIGIN,
    )

    words = read.lines[0].words
    assert words is not None
    assert [word.text for word in words] == ["two,", "words"]
    assert words[0].polygon[0] == (10.0, 20.0)
    assert words[1].polygon == pytest.approx(np.array(((54.0, 20.0), (90.0, 20.0), (90.0, 40.0), (54.0, 40.0))))


@pytest.mark.parametrize(
    ("pieces", "regions"),
    [
        ([["other"]], [[[(0, 0), (9, 0)]]]),
        ([["a", "b"]], [[[(0, 0), (9, 0)]]]),
        ([], []),
        (None, None),
    ],
)
def test_words_that_do_not_fit_the_line_are_not_known(pieces: object, regions: object) -> None:
    read = page_text_of(result(("ab", 0.9, quad(10, 20)), text_word=pieces, text_word_region=regions), ORIGIN)

    assert read.lines[0].words is None


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        {},
        "text",
        [None],
        [*result(), *result()],
        [{}],
        result(angle=45),
        result(doc_preprocessor_res=None),
        result(rec_texts=None),
        result(rec_texts="text", rec_scores=[0.9] * 4, rec_polys=[quad(0, 0)] * 4),
        result(rec_texts=["a"]),
        result(("a", 0.9, quad(0, 0)), rec_scores=[]),
        result((1, 0.9, quad(0, 0))),  # type: ignore[arg-type]
        result(("a", float("nan"), quad(0, 0))),
        result(("a", 97.0, quad(0, 0))),
        result(("a", None, quad(0, 0))),  # type: ignore[arg-type]
        result(("a", 0.9, quad(0, 0)[:3])),
        result(("a", 0.9, quad(0, 0).ravel())),
        result(("a", 0.9, None)),
        result(("a", 0.9, np.full((4, 2), np.nan))),
        result(("a", 0.9, np.full((4, 2), np.inf))),
        [{"error": "the input params for model settings are invalid!"}],
    ],
)
def test_an_unknown_shape_is_a_failure_and_never_a_page_without_text(bad: object) -> None:
    with pytest.raises(OcrFailed):
        page_text_of(bad, ORIGIN)


def read(text: str, confidence: float, angle: int = 0) -> PageText:
    return page_text_of(result(*([(text, confidence, quad(10, 20))] if text else []), angle=angle), ORIGIN)


def test_a_result_that_was_not_to_be_turned_names_no_turn() -> None:
    unnamed = [{key: value for key, value in result()[0].items() if key != "doc_preprocessor_res"}]

    assert page_text_of(unnamed, ORIGIN, classified=False).angle == 0.0
    with pytest.raises(OcrFailed):
        page_text_of(unnamed, ORIGIN)


@pytest.mark.parametrize(
    ("text", "confidence", "angle", "doubt"),
    [("text", 0.84, 180, True), ("text", 0.86, 180, False), ("text", 0.3, 0, False), ("", 0.0, 90, True)],
)
def test_only_a_turn_that_the_reading_does_not_bear_out_is_in_doubt(
    text: str, confidence: float, angle: int, doubt: bool
) -> None:
    assert turned_in_doubt(read(text, confidence, angle)) is doubt


def test_the_reading_with_more_sure_characters_is_kept_and_marked() -> None:
    faint_but_right, page_number = read("a whole line", 0.6, 90), read("7", 0.99)
    wrong, upright = read("s;ql s! a", 0.6, 180), read("this is a", 0.98)

    assert better_reading(faint_but_right, page_number).text == "a whole line"
    assert (better_reading(wrong, upright).text, better_reading(wrong, upright).angle) == ("this is a", 0.0)
    assert better_reading(wrong, upright).orientation_unsure


def test_a_blank_page_that_was_turned_has_no_angle_and_no_doubt() -> None:
    blank = better_reading(read("", 0.0, 180), read("", 0.0))

    assert (blank.lines, blank.angle, blank.orientation_unsure) == ((), 0.0, False)
