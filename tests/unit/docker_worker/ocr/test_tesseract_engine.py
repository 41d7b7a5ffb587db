import shutil
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from core.errors import DependencyMissing
from docker_worker.ocr import tesseract_program
from docker_worker.ocr.tesseract_engine import TesseractEngine, lines_of, sight_of
from docker_worker.ocr.tesseract_program import TesseractProgram, find_tesseract
from handlers.document.engine import Turn, read_page
from handlers.document.errors import LanguageNotSupported, OcrFailed

HEAD = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n"
TABLE = (
    HEAD
    + "1\t1\t0\t0\t0\t0\t0\t0\t300\t200\t-1\t\n"
    + "4\t1\t1\t1\t1\t0\t10\t10\t120\t20\t-1\t\n"
    + "5\t1\t1\t1\t1\t1\t10\t10\t50\t20\t96.5\tपुरानी\n"
    + "5\t1\t1\t1\t1\t2\t70\t12\t60\t22\t40\tचक्की\n"
    + "5\t1\t1\t1\t2\t1\t10\t50\t5\t20\t95\t \n"
    + "5\t1\t1\t1\t3\t1\t10\t80\t40\t20\t88\tहैं\n"
)
SIGHT = (
    "Page number: 0\nOrientation in degrees: 270\nRotate: 90\nOrientation confidence: 32.91\n"
    "Script: Devanagari\nScript confidence: 74.17\n"
)


def page() -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    return np.full((200, 300, 3), 255, np.uint8)


def script(folder: Path, body: str) -> str:
    """A program that answers as tesseract does: to --version, to --list-langs, and by ``body`` to a page."""
    path = folder / "tesseract"
    path.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        "--version) echo 'tesseract 5.9.1'; exit 0;;\n"
        "--list-langs) printf 'List of available languages (3):\\neng\\nhin\\nosd\\n'; exit 0;;\n"
        "esac\n"
        f"cat > {folder}/given\n"
        f'echo "$@" > {folder}/options\n'
        f"{body}\n",
        encoding="utf-8",
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def engine_of(folder: Path, body: str) -> TesseractEngine:
    program = find_tesseract(script(folder, body))
    return TesseractEngine(program, program.data_for(["hi", "en"]), concurrency=1)


def test_words_are_gathered_to_lines_with_boxes_and_confidences() -> None:
    first, second = lines_of(TABLE, 300, 200)

    assert first.text == "पुरानी चक्की"
    assert first.words is not None
    assert [word.confidence for word in first.words] == [0.965, 0.4]
    assert first.polygon == ((10.0, 10.0), (130.0, 10.0), (130.0, 34.0), (10.0, 34.0))
    assert 0.4 < first.confidence < 0.965
    assert second.text == "हैं"


def test_a_box_is_held_to_the_page() -> None:
    (line,) = lines_of(HEAD + "5\t1\t1\t1\t1\t1\t-3\t10\t400\t20\t50\tx\n", 300, 200)

    assert line.polygon == ((0.0, 10.0), (300.0, 10.0), (300.0, 30.0), (0.0, 30.0))


@pytest.mark.parametrize(
    "table", [HEAD + "what is this", HEAD + "5\t1\t1\n", HEAD + "5\t1\t1\t1\t1\t1\ta\tb\tc\td\t9\tx"]
)
def test_what_is_no_table_is_a_failure_of_the_engine(table: str) -> None:
    with pytest.raises(OcrFailed):
        list(lines_of(table, 300, 200))


def test_a_page_whose_text_runs_up_is_turned_by_270_degrees() -> None:
    sight = sight_of(SIGHT)

    assert sight is not None
    assert sight.turn == Turn(270, 1.0)
    assert sight.script == "Devanagari"


def test_what_says_nothing_of_orientation_is_none() -> None:
    assert sight_of("Too few characters. Skipping this page\n") is None


def test_a_page_is_given_as_pixels_and_read(tmp_path: Path) -> None:
    (tmp_path / "table").write_text(TABLE, encoding="utf-8")
    black = page()
    black[0, 0] = (1, 2, 3)

    read = read_page(engine_of(tmp_path, f"cat {tmp_path}/table"), black)

    assert [line.text for line in read.lines] == ["पुरानी चक्की", "हैं"]
    assert read.engine == "tesseract 5.9.1"
    assert read.models == ("hin", "eng")
    assert (tmp_path / "given").read_bytes()[:18] == b"P6 300 200 255\n\x03\x02\x01"
    assert (tmp_path / "options").read_text() == "stdin stdout -l hin+eng --psm 3 tsv\n"


def test_too_little_text_to_tell_the_orientation_is_no_failure(tmp_path: Path) -> None:
    assert engine_of(tmp_path, "exit 1").turn(page()) == Turn(0, 0.0)


def test_without_the_data_for_it_the_orientation_is_not_asked_for() -> None:
    program = TesseractProgram(Path("/nowhere"), "5", frozenset({"hin"}))

    assert TesseractEngine(program, ("hin",), 1).turn(page()) == Turn(0, 0.0)


def test_a_program_that_breaks_is_a_failure_of_the_engine(tmp_path: Path) -> None:
    with pytest.raises(OcrFailed, match="exit code 7"):
        engine_of(tmp_path, "exit 7").read(page())


def test_a_program_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of(tmp_path, "exec tail -f /dev/null")
    monkeypatch.setattr(tesseract_program, "PAGE_SECONDS", 0.3)

    with pytest.raises(OcrFailed, match="longer than"):
        engine.read(page())


def test_without_the_program_it_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(DependencyMissing, match="tesseract-ocr-hin"):
        find_tesseract(str(tmp_path / "tesseract"))


def test_a_language_without_data_is_named() -> None:
    program = TesseractProgram(Path("/nowhere"), "5", frozenset({"eng", "script/Devanagari"}))

    assert program.data_for(["mr", "en", "hi"]) == ("script/Devanagari", "eng")
    with pytest.raises(LanguageNotSupported, match="ru, xx"):
        program.data_for(["hi", "xx", "ru"])


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="not part of what the project installs")
def test_the_real_program_reads_what_pillow_prints() -> None:
    image = Image.new("RGB", (700, 160), "white")
    ImageDraw.Draw(image).text((40, 50), "Northgate Archive", fill="black", font=ImageFont.load_default(size=60))
    program = find_tesseract()
    trained = "eng" if "eng" in program.trained else min(program.trained - {"osd"})

    read = read_page(TesseractEngine(program, (trained,), 1), np.ascontiguousarray(np.asarray(image)[:, :, ::-1]))

    assert trained != "eng" or read.text == "Northgate Archive"
