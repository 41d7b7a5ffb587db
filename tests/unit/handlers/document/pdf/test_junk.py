from __future__ import annotations

import numpy as np
import pytest

from handlers.document.engine import Line, Word
from handlers.document.pdf.glyphs import Glyph
from handlers.document.pdf.ink import covered_print
from handlers.document.pdf.junk import (
    implausible_words,
    leaves_uncovered,
    needs_a_look,
    unmapped_characters,
)

QUAD = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


def glyphs(text: str, unmapped: int = 0) -> list[Glyph]:
    return [Glyph(one, 0, 0, 1, 1, 0, 10, False, False, False, n < unmapped) for n, one in enumerate(text)]


def lines(text: str) -> list[Line]:
    return [Line(text, 1.0, QUAD, ())]


@pytest.mark.parametrize(
    ("text", "unmapped", "junk"),
    [
        ("Plain text with nothing wrong", 0, False),
        ("\uf0b7 a bullet of a symbol font before each line", 0, False),
        ("\uf054\uf068\uf065\uf020 all of a symbol font", 0, True),
        ("\x01\x02\x03\x04 \x05\x06\x07", 0, True),
        ("text \ufffd\ufffd\ufffd with holes", 0, True),
        ("mapped by a guess", 9, True),
        ("mapped by a guess, one letter of very many letters", 1, False),
        ("中文 and हिन्दी and العربية and 😀", 0, False),
        ("", 0, False),
    ],
)
def test_characters_that_are_none(text: str, unmapped: int, junk: bool) -> None:
    assert unmapped_characters(glyphs(text, unmapped)) == junk


@pytest.mark.parametrize(
    ("text", "junk"),
    [
        ("The quick brown fox jumps over the lazy dog and never comes back to us again", False),
        ("7KLV LV WKH ILUVW SDJH RI WKH GRFXPHQW $QG KHUH LV PRUH WKDW FRPHV DIWHU WKH RWKHUV", True),
        ("tbe qu!ck br0wn f0x jum#ps ov$er t]he la|zy d%og a;nd n{ever co}mes ba~ck t<o u>s", True),
        ("ACME LTD INVOICE TOTAL VAT AMOUNT DUE DATE ORDER NUMBER CUSTOMER ADDRESS PHONE", False),
        ("A-4711/B EUR 1.234,56 X100 Y200 DIN 4102-B2 ISO-9001 12.03.2024 08:15 N/A e.g. i.e. U.S.A.", False),
        ("strč prst skrz krk plně zhltl smršť čtvrthrst vlků zvlhl drn plch brkl", False),
        ("das ist ein ganz gewöhnlicher Satz über dies und das mit zwölf oder mehr Wörtern darin", False),
        ("7KLV LV WKH", False),
        ("中文 文字 漢字 仮名 日本 東京 大阪 京都 名古屋 札幌 福岡 仙台 広島", False),
    ],
)
def test_words_that_are_none(text: str, junk: bool) -> None:
    assert implausible_words(lines(text)) == junk


def test_a_page_of_much_text_and_no_picture_is_trusted_without_a_look() -> None:
    assert not needs_a_look(2_000, 0.1, 50)
    assert needs_a_look(2_000, 0.9, 0)
    assert needs_a_look(20, 0.0, 50)
    assert needs_a_look(20, 0.1, 0)
    assert not needs_a_look(20, 0.0, 0)


def test_a_scan_needs_more_of_its_print_under_text_than_other_pages() -> None:
    assert leaves_uncovered(0.2, 1.0)
    assert not leaves_uncovered(0.2, 0.0)
    assert leaves_uncovered(0.05, 0.0)
    assert not leaves_uncovered(0.9, 1.0)


def test_print_is_covered_to_the_share_that_words_lie_on() -> None:
    page = np.full((720, 720, 3), 255, np.uint8)
    for top in range(30, 690, 60):
        page[top : top + 9 : 2, 60:660:3] = 0
    rows = [top / 72 for top in range(30, 690, 60)]

    def over(y: float) -> Line:
        box = ((60 / 72, y), (660 / 72, y), (660 / 72, y + 9 / 72), (60 / 72, y + 9 / 72))
        return Line("x", 1.0, box, (Word("x", box, 1.0),))

    assert covered_print(page, [over(y) for y in rows], 72) == 1
    assert covered_print(page, [over(y) for y in rows[:4]], 72) == pytest.approx(4 / len(rows))
    assert covered_print(page, [], 72) == 0


def test_where_nothing_is_seen_nothing_is_uncovered() -> None:
    page = np.full((100, 100, 3), 250, np.uint8)
    page[50, 50] = 0

    assert covered_print(page, [], 72) == 1
    assert covered_print(page[:3, :3], [], 72) == 1
