"""Spaces before punctuation that print has and writing has not."""

from __future__ import annotations

import pytest

from handlers.document.engine import Line, Quad, Word
from handlers.document.reading.punctuation import closed_up


def box(start: float, end: float) -> Quad:
    return ((start, 0.0), (end, 1.0), (end, 11.0), (start, 10.0))


def line(text: str, confidence: float | None = 0.9) -> Line:
    """A letter is 10 pixels wide; the words' edges slope."""
    words, place = [], 0
    for part in text.split():
        place = text.index(part, place)
        words.append(Word(part, box(10.0 * place, 10.0 * (place + len(part))), confidence))
        place += len(part)
    return Line(text, 0.9, box(0.0, 10.0 * len(text)), tuple(words))


def closed(text: str) -> str:
    (one,) = closed_up([line(text)])
    assert one.words is not None
    assert " ".join(word.text for word in one.words) == one.text
    return one.text


@pytest.mark.parametrize(
    ("read", "text"),
    [
        ("mensual , que", "mensual, que"),
        ("el fin .", "el fin."),
        ("costs .5 or ,5", "costs .5 or ,5"),
        (", a", ", a"),
        ("Just fancy ! Three", "Just fancy! Three"),
        ('she said ?" and', 'she said?" and'),
        ("the Asia ; and if", "the Asia; and if"),
        ("; a", "; a"),
        ("x = y != z", "x = y != z"),
        ("siguiente : un hombre", "siguiente: un hombre"),
        ("Name : Ravi Kumar", "Name : Ravi Kumar"),
        ("Total : 12", "Total : 12"),
        ("EMAIL : ravi@example.org", "EMAIL : ravi@example.org"),
    ],
)
def test_it_is_of_the_word_before(read: str, text: str) -> None:
    assert closed(read) == text


@pytest.mark.parametrize(
    ("read", "text"),
    [
        ("sweetly. . .", "sweetly..."),
        ("and yet.. . My", "and yet... My"),
        ("so . . . on", "so ... on"),
        ("Preface . . . . . 12", "Preface . . . . . 12"),
        ("a. . b", "a. . b"),
    ],
)
def test_three_dots_are_an_ellipsis_and_more_lead_somewhere(read: str, text: str) -> None:
    assert closed(read) == text


@pytest.mark.parametrize(
    ("read", "text"),
    [
        ("she won 't go", "she won't go"),
        ("that \u2019s all", "that\u2019s all"),
        ("and 't was", "and 't was"),
        ("say 'so what", "say 'so what"),
    ],
)
def test_contractions_are_one_word(read: str, text: str) -> None:
    assert closed(read) == text


def test_a_page_in_french_keeps_its_spaces_before_high_punctuation() -> None:
    page = [line("elle dit aux hommes : venez avec des amis ; vous et"), line("les autres ! Pour qui , enfin ?")]
    assert [one.text for one in closed_up(page)] == [page[0].text, "les autres ! Pour qui, enfin ?"]


def test_the_joined_word_reaches_over_both_and_is_as_sure_as_their_characters() -> None:
    first, second = Word("manda", box(0.0, 50.0), 0.9), Word(";", box(60.0, 70.0), 0.5)
    (one,) = closed_up([Line("manda ; y", 0.9, box(0.0, 90.0), (first, second, Word("y", box(80.0, 90.0), 0.8)))])

    assert one.words is not None
    assert [word.text for word in one.words] == ["manda;", "y"]
    assert one.words[0].polygon == box(0.0, 70.0)
    assert one.words[0].confidence == pytest.approx((0.9**5 * 0.5) ** (1 / 6))
    assert one.polygon == box(0.0, 90.0)


def test_words_without_a_confidence_stay_so_and_a_line_without_words_has_its_text() -> None:
    (one,) = closed_up([line("fancy !", confidence=None)])
    assert one.words is not None
    assert [(word.text, word.confidence) for word in one.words] == [("fancy!", None)]
    (other,) = closed_up([Line("fancy !", 0.9, box(0.0, 70.0))])
    assert (other.text, other.words) == ("fancy!", None)


def test_words_that_are_not_in_the_text_are_left() -> None:
    (one,) = closed_up([Line("fancy !", 0.9, box(0.0, 70.0), (Word("other", box(0.0, 50.0), 0.9),))])
    assert one.text == "fancy!"
    assert one.words == (Word("other", box(0.0, 50.0), 0.9),)
