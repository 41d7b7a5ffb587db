from __future__ import annotations

import pytest
from PIL import Image

from handlers.document.limits import DocumentLimits
from handlers.document.pdf.file import open_pdf
from tests.support.pdfs import PageSpec, make_pdf, shown

LIMITS = DocumentLimits()
PROSE = b"0 g\n" + b"".join(shown("The quick brown fox jumps over the lazy dog", 20, 380 - 12 * n, 9) for n in range(8))
BLANK = Image.new("L", (40, 40), 255)


def result(
    content: bytes, image: Image.Image | None = None, **spec: object
) -> tuple[str | None, list[tuple[str, object]]]:
    """The page's own text, ``None`` where it has to be read, and what is said of it."""
    with open_pdf(make_pdf(PageSpec(content, image=image, **spec)), LIMITS) as file:  # type: ignore[arg-type]
        layer = file.text_layer(1)
        warnings = file.pixels(1).warnings if layer is None else layer.warnings
    text = None if layer is None else "\n".join(line.text for line in layer.lines)
    return text, [(warning.code, warning.value) for warning in warnings]


HIDDEN = {
    "white on white": (b"1 g\n" + shown("smuggled words", 20, 100), None),
    "nearly white": (b"0.97 1 0.98 rg\n" + shown("smuggled words", 20, 100), None),
    "without ink": (shown("smuggled words", 20, 100, mode=3), None),
    "under a picture": (shown("smuggled words", 20, 100) + b"q 200 0 0 40 10 90 cm /I1 Do Q\n", BLANK),
    "too small": (shown("smuggled words", 20, 100, size=0.7), None),
}


@pytest.mark.parametrize("how", HIDDEN)
@pytest.mark.parametrize("rotate", [0, 90])
def test_text_that_nobody_sees_is_left_out_and_told(how: str, rotate: int) -> None:
    content, image = HIDDEN[how]

    text, warnings = result(PROSE + content, image, rotate=rotate)

    assert text is not None
    assert "smuggled" not in text
    assert text.count("quick brown") == 8
    ((code, value),) = warnings
    assert code == "HIDDEN_TEXT"
    assert value == pytest.approx(13 / (13 + 8 * 35), abs=0.005)


@pytest.mark.parametrize("how", HIDDEN)
def test_a_page_of_nothing_else_is_read_from_its_pixels(how: str) -> None:
    content, image = HIDDEN[how]

    assert result(content, image) == (None, [("TEXT_LAYER_JUNK", "unseen")])


SEEN = {
    "white on a dark bar": (b"0 0 0.4 rg 10 90 200 40 re f 1 g\n" + shown("a heading", 20, 100), None),
    "small print": (b"0 g\n" + shown("a heading", 20, 100, size=4), None),
    "pale grey": (b"0.8 g\n" + shown("a heading", 20, 100), None),
    "on a picture": (b"q 200 0 0 40 10 90 cm /I1 Do Q 0 g\n" + shown("a heading", 20, 100), BLANK),
    "without ink on print": (b"0 g 20 98 4 12 re f 30 98 40 9 re f\n" + shown("ab", 20, 100, mode=3), None),
}


@pytest.mark.parametrize("how", SEEN)
def test_what_is_seen_stays(how: str) -> None:
    content, image = SEEN[how]

    text, warnings = result(PROSE + content, image)

    assert text is not None
    assert ("a heading" in text) or ("ab" in text.split())
    assert warnings == []


def test_a_blank_scan_with_text_has_none() -> None:
    layer = b"".join(shown("words that are nowhere on the scan", 20, 380 - 12 * n, 9, mode=3) for n in range(20))

    assert result(b"q 300 0 0 400 0 0 cm /I1 Do Q\n" + layer, BLANK) == (None, [("TEXT_LAYER_JUNK", "unseen")])
