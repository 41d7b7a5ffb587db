"""What came from elsewhere cannot command the terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from local.client.text import cut, printable, table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Größe 東京", "Größe 東京"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("\x9b2J", "\\x9b2J"),
        ("a\u202eb", "a\\u202eb"),
        ("\u2028", "\\u2028"),
        ("half \ud800", "half \\ud800"),
        ("\x00\x7f", "\\x00\\x7f"),
    ],
)
def test_control_characters_are_shown_and_not_obeyed(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_no_text_keeps_a_character_that_a_terminal_obeys(text: str) -> None:
    assert all(
        unicodedata.category(character)[0] not in "CZ" or character == " " or unicodedata.category(character) == "Zs"
        for character in printable(text)
    )


@given(st.text(), st.integers(1, 40))
def test_what_is_cut_fits(text: str, cells: int) -> None:
    assert cell_len(cut(printable(text), cells)) <= cells


def test_columns_stand_below_each_other_whatever_the_script() -> None:
    lines = table(("A", "B"), [("東京", "x"), ("abc", "y")])

    assert lines == ["A     B", "東京  x", "abc   y"]
