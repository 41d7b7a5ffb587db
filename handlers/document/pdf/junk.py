"""Whether the text that a page brings along can be trusted, or the page has to be read. Pure.

A text layer is junk where

- more than :data:`MAX_BAD` of its characters are control characters, from private use areas, replacement characters, or
  characters whose Unicode PDFium guessed: a font without a map to Unicode;
- most of its words cannot be words of the Latin alphabet: a map that is wrong, or the garbage of a poor earlier OCR;
- it leaves the most of what looks like print uncovered: a scan with a stamp in its header, or text that was turned
  into outlines;
- nobody can see the most of it (:mod:`handlers.document.pdf.hidden`).

What is outside of the page counts nothing. The thresholds were set on pages made for the purpose (the tests), far
from both sides.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from enum import StrEnum

from handlers.document.engine import Line
from handlers.document.pdf.glyphs import Glyph

MAX_BAD = 0.1
"""A document in Word's symbol fonts has a bullet of private use a line, 1 to 3 % of its characters."""

MAX_IMPLAUSIBLE = 0.5
"""Of words of three ASCII characters and more. Codes, tables of figures and headings in initials stay below: what is
of digits alone is not counted."""

MIN_WORDS = 12
"""Fewer words say nothing about plausibility."""

SCAN_SHARE = 0.5
"""A page that pictures cover to this share may be a scan: its text has to cover what is seen."""

MIN_COVERED_SCAN = 0.4
"""The share of what looks like print that text has to cover on such a page. A stamp or a footer covers under a tenth,
a text layer of the whole page nine tenths; a page with a photo beside its text lies between."""

MIN_COVERED = 0.15
MANY_CHARACTERS = 200
"""On other pages, text of this many characters is trusted without a look at the page; less than that may be the page
number under a text made of outlines, and has to cover at least :data:`MIN_COVERED`."""

MAX_HIDDEN = 0.5
"""The share of characters that nobody can see. Below it they are left out; above it the rest is as little to be trusted
as a page number under outlines."""

_REPLACEMENT = "\ufffd"
_LETTER_FIRST = re.compile(r"[\"'(\[{<]*[A-Za-z]")
_INSIDE = re.compile(r"[A-Za-z][^A-Za-z'\-.,/@_:&+()][A-Za-z]")
_VOWELS = frozenset("aeiouyAEIOUY")


class Junk(StrEnum):
    """Why a text layer is not trusted."""

    CHARACTERS = "characters"
    WORDS = "words"
    UNCOVERED = "uncovered"
    UNSEEN = "unseen"


def unmapped_characters(glyphs: Sequence[Glyph]) -> bool:
    """Whether more than :data:`MAX_BAD` of the characters are none that was written."""
    counted = [glyph for glyph in glyphs if not glyph.generated and not glyph.hyphen and not glyph.text.isspace()]
    bad = sum(glyph.unmapped or _is_bad(glyph.text) for glyph in counted)
    return bad > MAX_BAD * len(counted)


def implausible_words(lines: Sequence[Line]) -> bool:
    """Whether most words of ASCII could not be words: letters without a vowel, or signs and digits between letters."""
    words = [word for line in lines for word in line.text.split() if _can_be_judged(word)]
    if len(words) < MIN_WORDS:
        return False
    return sum(map(_is_implausible, words)) > MAX_IMPLAUSIBLE * len(words)


def needs_a_look(characters: int, picture_share: float, paths: int) -> bool:
    """Whether what is seen has to be compared with the text: not on a page of little but text."""
    return picture_share >= SCAN_SHARE or (characters < MANY_CHARACTERS and (paths > 0 or picture_share > 0))


def leaves_uncovered(covered: float, picture_share: float) -> bool:
    """``covered`` is the share of what looks like print on the page that is under the text's words."""
    return covered < (MIN_COVERED_SCAN if picture_share >= SCAN_SHARE else MIN_COVERED)


def _is_bad(character: str) -> bool:
    return character == _REPLACEMENT or unicodedata.category(character) in {"Cc", "Cn", "Co", "Cs"}


def _can_be_judged(word: str) -> bool:
    return len(word) >= 3 and word.isascii() and any(map(str.isalpha, word))


def _is_implausible(word: str) -> bool:
    if _INSIDE.search(word) or not _starts_well(word):
        return True
    letters = [character for character in word if character.isalpha()]
    return len(letters) >= 3 and not _VOWELS.intersection(letters)


def _starts_well(word: str) -> bool:
    """Not with a sign that no word starts with and then letters, as ``$QG`` for ``And`` shifted by a font's order."""
    return word[0].isalnum() or bool(_LETTER_FIRST.match(word)) or not word[1].isalpha()
