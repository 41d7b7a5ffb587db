from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.portal.naming import picture_name, safe_name
from handlers.portal.paths import check_name
from tests.support.portal import JOB, USER, envelope

MILLISECONDS = 1_769_903_999_000


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("my photo.jpg", "my_photo.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\me.png", "me.png"),
        ("-rf .jpg", "rf_.jpg"),
        ("\u0930\u0935\u093f.jpg", "jpg"),
        ("...", "document"),
        ("a\0b\nc", "a_b_c"),
    ],
)
def test_a_name_of_harmless_characters(given: str, wanted: str) -> None:
    assert safe_name(given) == wanted


def test_a_long_name_keeps_its_ending() -> None:
    assert safe_name("x" * 300 + ".jpeg") == "x" * 123 + ".jpeg"


@given(st.text(max_size=400))
def test_any_text_becomes_a_name(text: str) -> None:
    assert check_name(safe_name(text)) == safe_name(text)


def test_a_pattern_is_filled_in() -> None:
    name = picture_name("{original}_{user_id}_{timestamp}", envelope(), MILLISECONDS, "jpg")

    assert name == f"my_photo_{USER}_20260131T235959Z.jpg"


@pytest.mark.parametrize(
    ("pattern", "begins", "ends"),
    [
        ("{original}_{job_id}", "yyy", f"y_{JOB}.jpg"),
        ("{job_id}_{original}_{timestamp}", f"{JOB}_yyy", "y_20260131T235959Z.jpg"),
        ("{original}-{original}-{user_id}", "yyy", f"y-{USER}.jpg"),
    ],
)
def test_of_a_long_name_the_part_that_tells_pictures_apart_stays(pattern: str, begins: str, ends: str) -> None:
    source = {"artifact_url": "https://x.example.org/", "mime_type": "image/png", "original_filename": "y" * 255}

    name = picture_name(pattern, envelope(input=source), MILLISECONDS, "jpg")

    assert (len(name) <= 128, name[: len(begins)], name[-len(ends) :]) == (True, begins, ends)


def test_a_name_in_another_script_is_nameless() -> None:
    source = {
        "artifact_url": "https://x.example.org/",
        "mime_type": "image/png",
        "original_filename": "\u0930\u0935.png",
    }

    assert picture_name("{original}", envelope(input=source), MILLISECONDS, "jpg") == "document.jpg"


def test_an_ending_is_there_once() -> None:
    assert picture_name("{job_id}.JPEG", envelope(), MILLISECONDS, "jpg") == f"{JOB}.jpg"


def test_what_a_value_holds_is_no_pattern() -> None:
    source = {"artifact_url": "https://x.example.org/", "mime_type": "image/png", "original_filename": "{user_id}.png"}

    assert picture_name("{original}", envelope(input=source), MILLISECONDS, "png") == "user_id.png"


@given(st.text(max_size=200), st.text(min_size=1, max_size=100))
def test_any_pattern_and_any_name_become_a_name(pattern: str, original: str) -> None:
    source = {"artifact_url": "https://x.example.org/", "mime_type": "image/png", "original_filename": "x"}
    given = envelope(input=source).model_copy(deep=True)
    named = given.model_copy(update={"input": given.input.model_copy(update={"original_filename": original})})

    name = picture_name(pattern, named, MILLISECONDS, "jpg")

    assert check_name(name) == name
    assert name.endswith(".jpg")
