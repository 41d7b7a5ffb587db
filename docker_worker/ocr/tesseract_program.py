"""The installed ``tesseract`` program: found, asked for its languages, and run on a page, bounded in time."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import DependencyMissing
from handlers.document.errors import LanguageNotSupported, OcrFailed

if TYPE_CHECKING:
    from handlers.document.engine import Page

INSTALL_HINT = "apt-get install tesseract-ocr tesseract-ocr-hin tesseract-ocr-osd"
PAGE_SECONDS = 120.0
"""How long one page may take: a dense page of 24 megapixels takes a quarter of it on one core."""

_QUESTION_SECONDS = 20.0

TRAINED: Mapping[str, tuple[str, ...]] = {
    "hi": ("hin", "script/Devanagari"),
    "mr": ("mar", "script/Devanagari"),
    "ne": ("nep", "script/Devanagari"),
    "sa": ("san", "script/Devanagari"),
    "ar": ("ara", "script/Arabic"),
    "bg": ("bul", "script/Cyrillic"),
    "bn": ("ben", "script/Bengali"),
    "de": ("deu", "script/Latin"),
    "el": ("ell", "script/Greek"),
    "en": ("eng", "script/Latin"),
    "es": ("spa", "script/Latin"),
    "fa": ("fas", "script/Arabic"),
    "fr": ("fra", "script/Latin"),
    "gu": ("guj", "script/Gujarati"),
    "he": ("heb", "script/Hebrew"),
    "hy": ("hye", "script/Armenian"),
    "it": ("ita", "script/Latin"),
    "ja": ("jpn", "script/Japanese"),
    "ka": ("kat", "script/Georgian"),
    "kn": ("kan", "script/Kannada"),
    "ko": ("kor", "script/Hangul"),
    "ml": ("mal", "script/Malayalam"),
    "pa": ("pan", "script/Gurmukhi"),
    "pt": ("por", "script/Latin"),
    "ru": ("rus", "script/Cyrillic"),
    "ta": ("tam", "script/Tamil"),
    "te": ("tel", "script/Telugu"),
    "th": ("tha", "script/Thai"),
    "uk": ("ukr", "script/Cyrillic"),
    "ur": ("urd", "script/Arabic"),
    "vi": ("vie", "script/Vietnamese"),
    "zh": ("chi_sim", "script/HanS"),
}
"""Language subtags and the names of the trained data that read them, the better first (tesseract(1), LANGUAGES)."""

DEVANAGARI_LANGUAGES = ("hi", "mr", "ne", "sa")
ORIENTATION_DATA = "osd"


@dataclass(frozen=True, slots=True)
class TesseractProgram:
    """``trained`` are the names of the data that it has, as ``--list-langs`` gives them."""

    path: Path
    version: str
    trained: frozenset[str]

    def reads(self, language: str) -> bool:
        return any(name in self.trained for name in TRAINED.get(language, ()))

    @property
    def tells_orientation(self) -> bool:
        return ORIENTATION_DATA in self.trained

    def data_for(self, languages: Iterable[str]) -> tuple[str, ...]:
        """The trained data for all of ``languages``. Raises :class:`LanguageNotSupported`, naming those without."""
        wanted = tuple(languages)
        unread = sorted({language for language in wanted if not self.reads(language)})
        if unread:
            raise LanguageNotSupported(f"no engine that is installed reads {', '.join(unread)}", languages=unread)
        chosen = (next(name for name in TRAINED[language] if name in self.trained) for language in wanted)
        return tuple(dict.fromkeys(chosen))

    def words(self, page: Page, data: Sequence[str]) -> str:
        """The page's words as Tesseract's tab-separated values. Raises :class:`OcrFailed`."""
        done = self._run(page, ("-l", "+".join(data), "--psm", "3", "tsv"))
        if done.returncode != 0:
            raise OcrFailed(f"tesseract ended with exit code {done.returncode}")
        return done.stdout.decode("utf-8", "replace")

    def orientation(self, page: Page) -> str | None:
        """What it says of the page's orientation and script; ``None`` where there is too little text to tell."""
        done = self._run(page, ("--psm", "0"))
        return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None

    def _run(self, page: Page, options: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        return _run([str(self.path), "stdin", "stdout", *options], PAGE_SECONDS, _portable_pixmap(page))


def find_tesseract(program: str = "tesseract") -> TesseractProgram:
    """Raises :class:`core.errors.DependencyMissing` where it is not installed or does not start."""
    found = shutil.which(program)
    if found is None:
        raise DependencyMissing(f"tesseract is not installed: {INSTALL_HINT}")
    try:
        version, languages = (_run([found, question], _QUESTION_SECONDS) for question in ("--version", "--list-langs"))
    except OcrFailed as error:
        raise DependencyMissing(f"tesseract does not start: {error}") from error
    number = re.search(rb"tesseract v?([0-9][^\s]*)", version.stdout + version.stderr)
    if languages.returncode != 0 or number is None:
        raise DependencyMissing(f"tesseract does not say what it reads: {INSTALL_HINT}")
    # The first line is a heading.
    names = languages.stdout.decode("utf-8", "replace").splitlines()[1:]
    return TesseractProgram(
        Path(found), number[1].decode("ascii", "replace"), frozenset(name.strip() for name in names)
    )


def _run(command: Sequence[str], seconds: float, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Raises :class:`OcrFailed` where the program does not start or takes too long; then it has been killed."""
    # Pages are what is spread over the cores; threads of Tesseract's own would only share one page's lines.
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    try:
        return subprocess.run(command, input=given, capture_output=True, timeout=seconds, env=environment, check=False)
    except subprocess.TimeoutExpired as error:
        raise OcrFailed(f"tesseract took longer than {seconds:.0f} s") from error
    except OSError as error:
        raise OcrFailed(f"tesseract could not be run: {error.strerror}") from error


def _portable_pixmap(page: Page) -> bytes:
    """The page as a PPM (netpbm's P6), which costs no compression."""
    height, width = page.shape[:2]
    return f"P6 {width} {height} 255\n".encode("ascii") + page[:, :, ::-1].tobytes()
