from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from core.errors import DependencyMissing
from docker_worker.ocr.scripts import ByScript, EnginesByScript, devanagari_share
from docker_worker.ocr.tesseract_engine import TesseractEngine
from docker_worker.ocr.tesseract_program import TesseractProgram, find_tesseract
from handlers.document.engine import EngineChoice, Quality
from handlers.document.errors import LanguageNotSupported
from testing.ocr_engines import ReadsNothing, ReadsText, always

if TYPE_CHECKING:
    from handlers.document.engine import Page

HINDI = "यह पन्ना हिंदी में है"
HEAD = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n"
MAIN = frozenset({"en", "de"})


@dataclass(frozen=True, slots=True)
class Scripted(TesseractProgram):
    """A program that says ``script`` of every page, nothing where it is empty, and reads ``text`` on it."""

    script: str = "Devanagari"
    text: str = HINDI
    confidence: float = 92.0
    sureness: float = 9.0
    asked: list[str] = field(default_factory=list)

    def words(self, page: "Page", data: object) -> str:
        self.asked.append("words")
        rows = (
            f"5\t1\t1\t1\t1\t{n}\t{n * 10}\t5\t9\t9\t{self.confidence}\t{word}"
            for n, word in enumerate(self.text.split())
        )
        return HEAD + "\n".join(rows)

    def orientation(self, page: "Page") -> str | None:
        self.asked.append("orientation")
        if not self.script:
            return None
        return f"Rotate: 0\nOrientation confidence: 20\nScript: {self.script}\nScript confidence: {self.sureness}\n"


def installed(**changes: object) -> Scripted:
    trained = changes.pop("trained", frozenset({"hin", "eng", "osd"}))
    return Scripted(Path("/nowhere"), "5.9", trained, **changes)  # type: ignore[arg-type]


def missing() -> TesseractProgram:
    raise DependencyMissing("tesseract is not installed")


def engines(main: object, find: Callable[[], TesseractProgram]) -> EnginesByScript:
    return EnginesByScript(always(main), MAIN, find)  # type: ignore[arg-type]


def page() -> "Page":
    return np.full((200, 300, 3), 255, np.uint8)


SURE, UNSURE = ReadsText(["Plain English"], confidence=0.97), ReadsText(["gRTA aacht"], confidence=0.55)


@pytest.mark.parametrize("languages", [("en",), ("de", "en")])
def test_languages_of_the_main_engine_are_read_by_it_without_looking_for_tesseract(languages: tuple[str, ...]) -> None:
    def never() -> TesseractProgram:
        raise AssertionError("it was looked for")

    assert engines(SURE, never)(EngineChoice(languages=languages)) is SURE


def test_a_language_that_tesseract_reads_is_read_by_it() -> None:
    engine = engines(SURE, installed)(EngineChoice(languages=("hi", "en")))

    assert isinstance(engine, TesseractEngine)
    assert engine.read(page()).text == HINDI
    assert engine.read(page()).models == ("hin", "eng")


@pytest.mark.parametrize("find", [missing, installed])
def test_a_language_that_nothing_reads_is_refused_by_name(find: Callable[[], TesseractProgram]) -> None:
    with pytest.raises(LanguageNotSupported, match="ta"):
        engines(SURE, find)(EngineChoice(languages=("en", "ta")))


def test_without_tesseract_the_main_engine_reads_all() -> None:
    assert engines(UNSURE, missing)(EngineChoice()) is UNSURE


def test_a_program_that_neither_reads_nor_tells_the_script_is_of_no_use() -> None:
    program = installed(trained=frozenset({"eng"}))

    assert engines(UNSURE, lambda: program)(EngineChoice()) is UNSURE


def test_a_page_that_is_read_well_is_not_looked_at_again() -> None:
    program = installed()
    engine = engines(SURE, lambda: program)(EngineChoice())

    assert engine.read(page()).text == "Plain English"
    assert program.asked == []


def test_a_page_in_doubt_that_is_devanagari_is_read_by_tesseract() -> None:
    engine = engines(UNSURE, installed)(EngineChoice())

    read = engine.read(page())

    assert read.text == HINDI
    assert read.engine == "tesseract 5.9"


def test_a_page_in_doubt_in_another_script_stays_the_main_engines() -> None:
    program = installed(script="Latin")
    engine = engines(UNSURE, lambda: program)(EngineChoice())

    assert engine.read(page()).text == "gRTA aacht"
    assert program.asked == ["orientation"]


@pytest.mark.parametrize(
    ("text", "confidence", "kept"),
    [(HINDI, 92.0, HINDI), ("lorem ह ipsum", 92.0, "gRTA aacht"), (HINDI, 30.0, "gRTA aacht")],
)
def test_where_the_script_cannot_be_told_a_trial_decides(text: str, confidence: float, kept: str) -> None:
    program = installed(script="", text=text, confidence=confidence)

    assert engines(UNSURE, lambda: program)(EngineChoice()).read(page()).text == kept


def test_a_blank_page_is_no_doubt() -> None:
    program = installed()

    assert engines(ReadsNothing(), lambda: program)(EngineChoice()).read(page()).lines == ()
    assert program.asked == []


def printed() -> "Page":
    dark = page()
    dark[50:100, 20:280] = 0
    return dark


POINTS = ReadsText([". , .", ","], confidence=0.99)


@pytest.mark.parametrize("main", [ReadsNothing(), UNSURE, POINTS])
@pytest.mark.parametrize("script", ["Cyrillic", "Greek", "Arabic", "Hebrew", "Thai", "Bengali", "Tamil", "Hangul"])
def test_a_page_in_a_script_that_nothing_reads_is_said_to_be(script: str, main: object) -> None:
    program = installed(script=script)

    assert engines(main, lambda: program)(EngineChoice()).read(printed()).unread_script == script
    assert program.asked == ["orientation"]


def test_devanagari_is_such_a_script_where_its_data_are_missing() -> None:
    program = installed(trained=frozenset({"eng", "osd"}))

    assert engines(UNSURE, lambda: program)(EngineChoice()).read(page()).unread_script == "Devanagari"


def test_a_page_of_devanagari_of_which_the_main_engine_reads_nothing_is_read_by_tesseract() -> None:
    assert engines(ReadsNothing(), installed)(EngineChoice()).read(printed()).text == HINDI


@pytest.mark.parametrize("seen", [{"script": "Latin"}, {"script": "Japanese"}, {"sureness": 1.9}, {"script": ""}])
def test_what_is_not_seen_for_sure_is_no_such_script(seen: dict[str, object]) -> None:
    program = installed(**{"script": "Bengali", **seen})

    assert engines(ReadsNothing(), lambda: program)(EngineChoice()).read(printed()).unread_script is None


def test_the_same_choice_gives_the_same_engine_and_tesseract_is_looked_for_once() -> None:
    looked = []

    def find() -> TesseractProgram:
        looked.append(1)
        return installed()

    provider = engines(SURE, find)

    assert provider(EngineChoice()) is provider(EngineChoice())
    assert isinstance(provider(EngineChoice(Quality.FAST)), ByScript)
    assert provider(EngineChoice(languages=("hi",))) is provider(EngineChoice(languages=("hi",)))
    assert looked == [1]


def test_the_share_counts_letters_of_the_script_with_their_signs() -> None:
    assert devanagari_share("हिंदी।") == 1.0
    assert devanagari_share("हि ab") == 0.5
    assert devanagari_share("") == 0.0


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("Cyrillic", "Съешь же ещё этих мягких французских булок, да выпей чаю"),
        ("Greek", "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία πάνω από τον σκύλο"),
        (None, "The quick brown fox jumps over the lazy dog of the farm"),
    ],
)
def test_tesseract_tells_scripts_apart(script: str | None, text: str) -> None:
    try:
        program, font = find_tesseract(), ImageFont.truetype("DejaVuSans.ttf", 34)
    except (DependencyMissing, OSError):
        pytest.skip("no Tesseract, or no font that has the letters")
    if not program.tells_orientation:
        pytest.skip("Tesseract has no data to tell scripts apart")
    image = Image.new("RGB", (1240, 700), "white")
    for line in range(8):
        ImageDraw.Draw(image).text((60, 60 + 70 * line), text, font=font, fill="black")

    assert engines(UNSURE, lambda: program)(EngineChoice()).read(np.array(image)).unread_script == script
