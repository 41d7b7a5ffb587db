import json
from io import BytesIO
from pathlib import Path
from random import Random

import cv2
import numpy as np
import pytest
from pdfminer.high_level import extract_text
from PIL import Image

from benchmarks.document_pages.__main__ import main
from benchmarks.document_pages.degrade import CONDITIONS, Shot, turned_by
from benchmarks.document_pages.fonts import Family, Fonts, NoFonts, fonts_in, pillow_typeface
from benchmarks.document_pages.pages import KINDS, PDFS, made_page, made_pages
from benchmarks.document_pages.raster import drawn, word_boxes
from benchmarks.document_pages.sheet import Run, Sheet, wrapped
from benchmarks.document_pages.truth import TruthWord, read_truth
from benchmarks.ocr_scores import words_found

FONTS = Fonts([pillow_typeface()])
LATIN = [kind for kind in KINDS if kind != "hindi"]
SEED = 5


def small_shot() -> Shot:
    face = pillow_typeface().regular
    sheet = Sheet(200, 120)
    sheet.add(Run("Quay", 30, 40, 18, face), Run("Street", 120, 40, 18, face))
    sheet.add(Run("twelve", 60, 90, 18, face))
    return Shot(drawn(sheet, 150), word_boxes(sheet, 150 / 72), 150)


def ink_inside(shot: Shot, word: TruthWord) -> float:
    """How much darker a word's box is than what is around it, in grey levels."""
    grey = shot.pixels.mean(axis=2)
    box = np.zeros(grey.shape, np.uint8)
    cv2.fillConvexPoly(box, np.round(np.array(word.polygon)).astype(np.int32), 1)
    size = 2 * max(3, round(shot.dpi / 25)) + 1
    ring = cv2.dilate(box, np.ones((size, size), np.uint8)) - cv2.dilate(box, np.ones((3, 3), np.uint8))
    return float(np.median(grey[ring == 1]) - grey[box == 1].mean())


@pytest.mark.parametrize("kind", LATIN)
def test_the_same_seed_makes_the_same_page_and_another_another(kind: str) -> None:
    first, again, other = (made_page(FONTS, seed, 1, kind, "clean") for seed in (SEED, SEED, SEED + 1))

    assert first == again
    assert first.data != other.data
    assert first.truth.pages[0].text != other.truth.pages[0].text


@pytest.mark.parametrize("kind", LATIN)
def test_the_words_of_a_page_are_those_of_its_text_each_in_a_box_on_it(kind: str) -> None:
    (page,) = made_page(FONTS, SEED, 2, kind, "clean").truth.pages

    assert [word.text for word in page.words] == page.text.split()
    assert len(page.words) > 10
    for word in page.words:
        assert all(-1 <= x <= page.width + 1 and -1 <= y <= page.height + 1 for x, y in word.polygon)


@pytest.mark.parametrize("condition", [name for name in CONDITIONS if name not in {"dark", "faint"}])
def test_boxes_lie_on_the_ink_whatever_happened_to_the_page(condition: str) -> None:
    shot = CONDITIONS[condition](small_shot(), Random(SEED))

    assert shot.pixels.dtype == np.uint8
    assert shot.pixels.flags["C_CONTIGUOUS"]
    for word in shot.words:
        assert ink_inside(shot, word) > 20


@pytest.mark.parametrize("degrees", [-15.0, 7.25])
def test_a_skew_turns_clockwise_by_what_it_says(degrees: float) -> None:
    shot = turned_by(small_shot(), degrees)

    (x1, y1), (x2, y2), _, _ = shot.words[0].polygon
    assert np.degrees(np.arctan2(y2 - y1, x2 - x1)) == pytest.approx(degrees, abs=0.01)
    assert shot.angle == degrees


def test_a_quarter_turn_says_how_far_its_content_is_turned() -> None:
    seen = set()
    for seed in range(12):
        shot = CONDITIONS["turned"](small_shot(), Random(seed))
        (x1, y1), (x2, y2), _, _ = shot.words[0].polygon
        assert shot.angle == pytest.approx(np.degrees(np.arctan2(y2 - y1, x2 - x1)), abs=0.01)
        seen.add(shot.angle)
    assert seen == {90.0, 180.0, -90.0}


@pytest.mark.parametrize("condition", PDFS)
def test_a_pdf_has_its_text_where_it_says_so(condition: str) -> None:
    page = made_page(FONTS, SEED, 3, "letter", condition)
    pages = page.truth.pages
    expected = {"text-pdf": pages, "scanned-pdf": (), "mixed-pdf": pages[::2]}[condition]

    found = words_found(" ".join(one.text for one in expected), extract_text(BytesIO(page.data)))

    assert found.hits == found.wanted == found.given
    assert all(one.unit == "inch" for one in pages)
    assert page == made_page(FONTS, SEED, 3, "letter", condition)


def test_kinds_and_conditions_meet_in_turn() -> None:
    made = list(made_pages(FONTS, SEED, 6, ["card", "receipt"], ["clean", "skew", "small"]))

    assert {(page.truth.kind, page.truth.condition) for page in made} == {
        (kind, condition) for kind in ("card", "receipt") for condition in ("clean", "skew", "small")
    }


def test_the_command_writes_pages_with_their_truth(tmp_path: Path) -> None:
    arguments = ["--out", str(tmp_path), "--seed", "4", "--count", "2", "--kinds", "card", "--fonts", "none"]

    assert main([*arguments, "--conditions", "clean", "jpeg"]) == 0

    stem = tmp_path / "card_clean_0000"
    truth = read_truth(stem.with_suffix(".json"))
    with Image.open(stem.with_suffix(".png")) as image:
        assert list(image.size) == [truth.pages[0].width, truth.pages[0].height]
    assert stem.with_suffix(".txt").read_text(encoding="utf-8") == truth.text + "\n"
    assert json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))["version"] == 1
    assert (tmp_path / "card_jpeg_0001.jpg").is_file()


def test_devanagari_needs_a_face_for_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path), "--count", "1", "--kinds", "hindi", "--fonts", "none"]) == 2
    assert "Devanagari" in capsys.readouterr().err


def test_a_folder_of_fonts_is_told_apart_by_its_names(tmp_path: Path) -> None:
    data = pillow_typeface().regular.data
    for name in ("Plain-Regular", "Plain-Bold", "Plain-Italic", "OldSerif", "SmallMono", "NotoSansDevanagari"):
        (tmp_path / f"{name}.ttf").write_bytes(data)

    fonts = fonts_in(tmp_path)

    assert [face.regular.name for face in fonts.of(Family.SERIF)] == ["OldSerif"]
    assert [face.regular.name for face in fonts.of(Family.MONO)] == ["SmallMono"]
    assert [(face.regular.name, face.bold.name) for face in fonts.of(Family.SANS)] == [("Plain-Regular", "Plain-Bold")]
    assert len(fonts.of(Family.DEVANAGARI)) == 1
    with pytest.raises(NoFonts):
        fonts_in(tmp_path / "nowhere")


def test_lines_are_no_wider_than_they_may_be() -> None:
    face = pillow_typeface().regular
    text = "Nobody in the office could say when the second key had gone missing."

    lines = list(wrapped(text, face, 10, 120))

    assert " ".join(lines) == text
    assert len(lines) > 2
    assert all(face.length(line, 10) <= 120 for line in lines)
