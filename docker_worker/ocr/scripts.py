"""Which engine reads a page: the main one, or Tesseract for what the main one does not read.

Where languages are asked for, they decide. Where none is, the main engine reads first, and only a page that it is
unsure of costs more: Tesseract then says what script it is, and reads it where that is Devanagari.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from core.errors import DependencyMissing
from docker_worker.ocr.tesseract_engine import TesseractEngine
from docker_worker.ocr.tesseract_program import DEVANAGARI_LANGUAGES, TesseractProgram, find_tesseract
from handlers.document.engine import EngineChoice, EngineProvider, OcrEngine, PageText, Turn, mean_confidence
from handlers.document.errors import LanguageNotSupported

if TYPE_CHECKING:
    from handlers.document.engine import Page

DOUBTFUL_SCRIPT_BELOW = 0.80
"""The mean confidence of the main engine below which a page may be in a script that it does not read: pages of
Devanagari have 0.4 to 0.7, printed pages of Latin 0.95 and more."""

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
        devanagari = _devanagari(program, main.concurrency)
        return main if devanagari is None else ByScript(main, devanagari)

    def _of_languages(self, program: TesseractProgram | None, choice: EngineChoice) -> OcrEngine:
        if program is None:
            unread = sorted(set(choice.languages) - self._main_languages)
            raise LanguageNotSupported(f"no engine that is installed reads {', '.join(unread)}", languages=unread)
        data = program.data_for(choice.languages)
        return TesseractEngine(program, data, self._main(EngineChoice(choice.quality)).concurrency)


class ByScript:
    """Reads with ``main``, and with ``devanagari`` what is written in that script."""

    def __init__(self, main: OcrEngine, devanagari: TesseractEngine) -> None:
        self._main = main
        self._devanagari = devanagari

    @property
    def concurrency(self) -> int:
        return self._main.concurrency

    def turn(self, page: Page) -> Turn:
        return self._main.turn(page)

    def read(self, page: Page) -> PageText:
        read = self._main.read(page)
        if not _is_doubtful(read) or not self._may_be_devanagari(page):
            return read
        trial = self._devanagari.read(page)
        surer = (mean_confidence(trial.lines) or 0.0) > (mean_confidence(read.lines) or 0.0)
        return trial if surer and devanagari_share(trial.text) >= LEAST_SHARE else read

    def _may_be_devanagari(self, page: Page) -> bool:
        """Where the script cannot be told, a trial has to."""
        sight = self._devanagari.sight(page)
        return sight is None or sight.script == "Devanagari"


def devanagari_share(text: str) -> float:
    """Of the letters and digits and their signs, those of the Unicode block Devanagari, U+0900 to U+097F."""
    written = [character for character in text if character.isalnum() or "\u0900" <= character <= "\u097f"]
    return sum("\u0900" <= character <= "\u097f" for character in written) / max(1, len(written))


def _is_doubtful(read: PageText) -> bool:
    confidence = mean_confidence(read.lines)
    return confidence is not None and confidence < DOUBTFUL_SCRIPT_BELOW


def _found(find: Callable[[], TesseractProgram]) -> TesseractProgram | None:
    try:
        return find()
    except DependencyMissing:
        return None


def _devanagari(program: TesseractProgram | None, concurrency: int) -> TesseractEngine | None:
    """An engine for the languages of the script that are installed, Hindi before the others; ``None`` without any."""
    installed = [language for language in DEVANAGARI_LANGUAGES if program is not None and program.reads(language)]
    if program is None or not installed:
        return None
    return TesseractEngine(program, program.data_for(installed[:1]), concurrency)
