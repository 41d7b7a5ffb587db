"""Which engine reads a page: the main one, or Tesseract for what the main one does not read.

Where languages are asked for, they decide. Where none is, the main engine reads first, and only a page that it is
unsure of costs more: Tesseract then says what script it is, and reads it where that is Devanagari. A page in a script
that nothing reads is said to be so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from core.errors import DependencyMissing
from docker_worker.ocr.tesseract_engine import Sight, TesseractEngine
from docker_worker.ocr.tesseract_program import DEVANAGARI_LANGUAGES, TesseractProgram, find_tesseract
from handlers.document.engine import EngineChoice, EngineProvider, OcrEngine, PageText, Turn, mean_confidence
from handlers.document.errors import LanguageNotSupported

if TYPE_CHECKING:
    from handlers.document.engine import Page

SURE_FROM = 0.90
"""The mean confidence of the main engine from which a page is in a script that it reads: printed pages of Latin have
0.95 and more, Greek, which it takes for Latin, 0.8, Cyrillic and Devanagari 0.4 to 0.7."""

TRIAL_BELOW = 0.80
"""The mean confidence below which a page whose script cannot be told is tried in Devanagari."""

LEAST_LETTERS = 0.5
"""The share of letters and digits in what is read of a script that the main engine reads. Of others it may read no more
than points and commas, and surely so."""

UNREAD_SCRIPTS = frozenset(
    (
        "Arabic", "Armenian", "Bengali", "Canadian_Aboriginal", "Cherokee", "Cyrillic", "Devanagari", "Ethiopic",
        "Georgian", "Greek", "Gujarati", "Gurmukhi", "Hangul", "Hebrew", "Kannada", "Khmer", "Lao", "Malayalam",
        "Myanmar", "Oriya", "Sinhala", "Syriac", "Tamil", "Telugu", "Thaana", "Thai", "Tibetan",
    )
)  # fmt: skip
"""Of the scripts that Tesseract tells apart those that the main engine does not read."""

SURE_SCRIPT = 2.0
"""The confidence from which Tesseract is believed that a page is in one of them: pages of six lines of Cyrillic, Greek
and Hebrew have 5 and more, and Latin print under heavy noise came to 1.9 for a wrong one (``tesseract --psm 0``)."""

DEVANAGARI = "Devanagari"
LOOK_STEP = 4
LEAST_PRINT = 6.0
"""Grey levels, the standard deviation of every fourth pixel of a page that is not blank: three lines on A4 have 12."""

LEAST_SHARE = 0.5
"""The share of the letters of a trial that have to be Devanagari for it to count."""


class EnginesByScript:
    """:data:`handlers.document.engine.EngineProvider` over ``main``, which reads ``main_languages``, and Tesseract.

    ``find`` looks for the program once, when it is first of use.
    """

    def __init__(
        self,
        main: EngineProvider,
        main_languages: frozenset[str],
        find: Callable[[], TesseractProgram] = find_tesseract,
    ) -> None:
        self._main = main
        self._main_languages = main_languages
        self._find = cache(lambda: _found(find))
        self._lock = threading.Lock()
        self._engines: dict[EngineChoice, OcrEngine] = {}

    def __call__(self, choice: EngineChoice) -> OcrEngine:
        """Raises :class:`LanguageNotSupported` for a language that nothing installed reads, and what ``main`` does."""
        if choice.languages and self._main_languages.issuperset(choice.languages):
            return self._main(choice)
        with self._lock:
            if choice not in self._engines:
                self._engines[choice] = self._made(choice)
            return self._engines[choice]

    def _made(self, choice: EngineChoice) -> OcrEngine:
        program = self._find()
        if choice.languages:
            return self._of_languages(program, choice)
        main = self._main(choice)
        if program is None:
            return main
        data = _devanagari(program)
        if not data and not program.tells_orientation:
            return main
        return ByScript(main, TesseractEngine(program, data, main.concurrency), reads_devanagari=bool(data))

    def _of_languages(self, program: TesseractProgram | None, choice: EngineChoice) -> OcrEngine:
        if program is None:
            unread = sorted(set(choice.languages) - self._main_languages)
            raise LanguageNotSupported(f"no engine that is installed reads {', '.join(unread)}", languages=unread)
        data = program.data_for(choice.languages)
        return TesseractEngine(program, data, self._main(EngineChoice(choice.quality)).concurrency)


class ByScript:
    """Reads with ``main``, and with ``other`` what is in Devanagari, where it reads that; it tells scripts apart."""

    def __init__(self, main: OcrEngine, other: TesseractEngine, *, reads_devanagari: bool) -> None:
        self._main = main
        self._other = other
        self._reads_devanagari = reads_devanagari

    @property
    def concurrency(self) -> int:
        return self._main.concurrency

    def turn(self, page: Page) -> Turn:
        return self._main.turn(page)

    def read(self, page: Page) -> PageText:
        read = self._main.read(page)
        if _is_sure(read) if read.lines else not _has_print(page):
            return read
        sight = self._other.sight(page)
        if self._reads_devanagari and _may_be_devanagari(sight, read):
            return self._better(read, self._other.read(page))
        if sight is not None and _is_unread(sight):
            return replace(read, unread_script=sight.script.replace("_", " "))
        return read

    def _better(self, read: PageText, trial: PageText) -> PageText:
        surer = (mean_confidence(trial.lines) or 0.0) > (mean_confidence(read.lines) or 0.0)
        return trial if surer and devanagari_share(trial.text) >= LEAST_SHARE else read


def _is_unread(sight: Sight) -> bool:
    return sight.script in UNREAD_SCRIPTS and sight.script_confidence >= SURE_SCRIPT


def _may_be_devanagari(sight: Sight | None, read: PageText) -> bool:
    """Where the script of what was read cannot be told, a trial has to."""
    if sight is not None:
        return sight.script == DEVANAGARI
    return bool(read.lines) and (mean_confidence(read.lines) or 0.0) < TRIAL_BELOW


def _is_sure(read: PageText) -> bool:
    written = [character for character in read.text if not character.isspace()]
    letters = sum(map(str.isalnum, written)) / len(written)
    return letters >= LEAST_LETTERS and (mean_confidence(read.lines) or 0.0) >= SURE_FROM


def _has_print(page: Page) -> bool:
    return float(page[::LOOK_STEP, ::LOOK_STEP].std()) >= LEAST_PRINT


def devanagari_share(text: str) -> float:
    """Of the letters and digits and their signs, those of the Unicode block Devanagari, U+0900 to U+097F."""
    written = [character for character in text if character.isalnum() or "\u0900" <= character <= "\u097f"]
    return sum("\u0900" <= character <= "\u097f" for character in written) / max(1, len(written))


def _found(find: Callable[[], TesseractProgram]) -> TesseractProgram | None:
    try:
        return find()
    except DependencyMissing:
        return None


def _devanagari(program: TesseractProgram) -> tuple[str, ...]:
    """The data for a language of the script that is installed, Hindi before the others; none without any."""
    installed = [language for language in DEVANAGARI_LANGUAGES if program.reads(language)]
    return program.data_for(installed[:1])
