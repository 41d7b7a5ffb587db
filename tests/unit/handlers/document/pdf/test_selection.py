"""The searchable PDF's goal: selecting a word's box in another PDF library gives that word, 99 % of words."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence

import pikepdf
import pypdfium2
import pytest
from PIL import Image, ImageDraw

from handlers.document.engine import Quad
from handlers.document.files import open_document
from handlers.document.limits import DocumentLimits
from handlers.document.pdf.searchable import write_searchable
from tests.support.pdfs import (
    Mark,
    PageSpec,
    characters,
    make_pdf,
    make_record,
    marks,
    qpdf_findings,
    record_of,
    selected,
)

LIMITS = DocumentLimits(max_page_pixels=300_000)
"""Small pages, so that the marks on them are found in no time."""

LATIN = [
    "Invoice",
    "No.",
    "2024-117",
    "of",
    "the",
    "Company's",
    "office,",
    "fi-nancial",
    "year:",
    "(total)",
    "1.234,56",
    "EUR",
    "“quoted”",
    "naïve",
    "Ærøskøbing",
    "Łódź",
]
OTHERS = [
    "नमस्ते",
    "क्षत्रिय",
    "विद्यालय",
    "中华人民共和国",
    "漢字",
    "ひらがな",
    "カタカナ",
    "😀🎉",
    "𐎠𐎡",
    "👩‍👩‍👧",
    "Ελλάδα",
    "Ёлка",
]
WORDS = [*LATIN, *OTHERS]


def share_found(pdf: bytes, wanted: Sequence[Mark], number: int = 1) -> float:
    found = characters(pdf, number)
    return sum(selected(found, mark.corners) == mark.word for mark in wanted) / len(wanted)


def written(data: bytes, wanted: Sequence[Mark], turned: float = 0) -> bytes:
    out = io.BytesIO()
    with open_document(data, LIMITS) as file:
        record = record_of(file.pixels(1), wanted, turned=turned)
        write_searchable(file, data, iter([record]), out)
    return out.getvalue()


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize(("crop", "user_unit"), [(None, None), ((30, 45, 380, 560), 2.5)])
def test_a_word_is_selected_by_its_box_on_each_kind_of_page(
    rotate: int, crop: tuple[float, float, float, float] | None, user_unit: float | None
) -> None:
    wanted = marks(WORDS, left=50, top=540)
    content = b"".join(mark.operators for mark in wanted)
    data = make_pdf(PageSpec(content, (20, 30, 400, 600), crop, rotate, user_unit))

    pdf = written(data, wanted, turned=rotate)

    assert share_found(pdf, wanted) >= 0.99
    assert qpdf_findings(pdf) == []


@pytest.mark.parametrize(
    ("skew", "rotate"),
    [(-15, 0), (-5, 90), (-1, 0), (0.7, 0), (3, 270), (8, 0), (15, 180), (40, 0), (90, 0), (135, 90)],
)
def test_a_word_is_selected_by_its_box_on_a_page_that_is_askew(skew: float, rotate: int) -> None:
    wanted = marks(WORDS, left=300, top=300, angle=skew, height=10)
    content = b"".join(mark.operators for mark in wanted)
    data = make_pdf(PageSpec(content, (0, 0, 600, 600), rotate=rotate))

    pdf = written(data, wanted, turned=rotate - skew)

    assert share_found(pdf, wanted) >= 0.99


@pytest.mark.parametrize("skew", [-90, 0, 3, 90, 180])
def test_pdfium_which_browsers_have_finds_each_word_too(skew: float) -> None:
    words = [*LATIN, "7", "&", "é", "1", "x"]
    wanted = marks(words, left=300, top=300, angle=skew, height=10)
    data = make_pdf(PageSpec(b"".join(mark.operators for mark in wanted), (0, 0, 600, 600)))

    pdf = pypdfium2.PdfDocument(written(data, wanted, turned=-skew))

    text = pdf[0].get_textpage()
    assert sorted(text.get_text_range().split()) == sorted(words)
    boxed = [text.get_text_bounded(*bounds(mark.corners)).strip() for mark in wanted] if skew % 90 == 0 else words
    assert boxed == words


def bounds(corners: Quad) -> tuple[float, float, float, float]:
    """Left, bottom, right, top."""
    across, down = zip(*corners, strict=True)
    return min(across), min(down), max(across), max(down)


@pytest.mark.parametrize(("form", "dpi"), [("JPEG", 150), ("JPEG", None), ("PNG", 300), ("TIFF", 200), ("WEBP", None)])
def test_a_word_is_selected_by_its_box_on_a_page_made_of_an_image(form: str, dpi: int | None) -> None:
    words = random.Random(6).choices(WORDS, k=100)
    image, boxes = picture_of(words)
    stream = io.BytesIO()
    image.save(stream, form, **({} if dpi is None else {"dpi": (dpi, dpi)}))
    record = make_record(1, image.width, image.height, "pixel", boxes)
    out = io.BytesIO()

    with open_document(stream.getvalue(), LIMITS) as file:
        write_searchable(file, stream.getvalue(), iter([record]), out)

    width, height = page_size(out.getvalue())
    scale = width / image.width
    found = characters(out.getvalue())
    pairs = [(word, box) for line in boxes for word, box in line]
    right = sum(selected(found, in_points(box, scale, height)) == word for word, box in pairs)
    assert right / len(pairs) >= 0.99
    assert qpdf_findings(out.getvalue()) == []


def picture_of(words: Sequence[str]) -> tuple[Image.Image, list[list[tuple[str, list[float]]]]]:
    """Boxes in lines of five, no two alike, on a grey page."""
    image = Image.new("RGB", (1_200, 1_600), (240, 240, 235))
    draw = ImageDraw.Draw(image)
    lines, y = [], 40.0
    for start in range(0, len(words), 5):
        line, x = [], 30.0 + start % 7
        for word in words[start : start + 5]:
            box = [x, y, x + 14 * len(word), y, x + 14 * len(word), y + 30, x, y + 30]
            draw.rectangle((box[0], box[1], box[4], box[5]), (90, 90, 90))
            line.append((word, box))
            x = box[2] + 10
        lines.append(line)
        y += 60
    return image, lines


def page_size(pdf: bytes) -> tuple[float, float]:
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        _, _, width, height = (float(value) for value in opened.pages[0].mediabox.as_list())
    return width, height


def in_points(box: Sequence[float], scale: float, height: float) -> Quad:
    a, b, c, d = ((x * scale, height - y * scale) for x, y in zip(box[::2], box[1::2], strict=True))
    return (a, b, c, d)
