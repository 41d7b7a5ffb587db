"""The files that the OCR benchmark reads: images and PDFs with their text, or with their word boxes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.document_pages.truth import Truth, TruthBroken, TruthWord, read_truth
from testing.documents import sample_page

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".heic", ".pdf"})
SAMPLE_PAGES = 4


class NothingMeasured(Exception):
    """The data, the models or the packages are not there, or not what they should be. The text is for the user."""


@dataclass(frozen=True, slots=True)
class Case:
    """A file to be read. ``words`` are the boxes of each page that the truth has, ``None`` where it has none.

    ``kind`` is the folder that the file is in or, right under the data's folder, what its name starts with;
    ``condition`` is what the truth says, nothing where it says nothing.
    """

    path: Path
    kind: str
    condition: str
    text: str
    words: tuple[tuple[TruthWord, ...], ...] | None = None

    @property
    def name(self) -> str:
        return self.path.stem


def cases_in(folder: Path) -> list[Case]:
    """The files under ``folder`` that have a truth. Raises :class:`NothingMeasured`."""
    try:
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not folder.is_dir():
            raise NothingMeasured(f"{folder} is not a folder")
        cases = [case for path in files if (case := _case(folder, path)) is not None]
    except OSError as error:
        raise NothingMeasured(f"{error.filename}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise NothingMeasured(f"{folder} has a text that is not UTF-8") from error
    except TruthBroken as error:
        raise NothingMeasured(str(error)) from error
    if not cases:
        raise NothingMeasured(f"{folder} has no image or PDF with its text beside it")
    return cases


def sample_cases(folder: Path, count: int = SAMPLE_PAGES) -> Iterator[Case]:
    """Letters of our own, written into ``folder``."""
    for seed in range(count):
        page = sample_page(seed)
        path = folder / f"sample_{seed}.png"
        path.write_bytes(page.png)
        yield Case(path, "sample", "", page.text)


def limited(cases: Sequence[Case], kinds: Sequence[str]) -> list[Case]:
    """Those of ``kinds``, all where none is named. Raises :class:`NothingMeasured` where none is left."""
    chosen = [case for case in cases if not kinds or case.kind in kinds]
    if not chosen:
        raise NothingMeasured(f"there is no page of the kinds {', '.join(kinds)}")
    return chosen


def _case(folder: Path, path: Path) -> Case | None:
    boxes, text = path.with_suffix(".json"), path.with_suffix(".txt")
    truth = read_truth(boxes) if boxes.is_file() else None
    if truth is None and not text.is_file():
        return None
    written = text.read_text(encoding="utf-8") if text.is_file() else _text_of(truth)
    condition = "" if truth is None else truth.condition
    words = None if truth is None else tuple(page.words for page in truth.pages)
    return Case(path, _kind(folder, path), condition, written, words)


def _text_of(truth: Truth | None) -> str:
    assert truth is not None
    return truth.text


def _kind(folder: Path, path: Path) -> str:
    if path.parent != folder:
        return path.parent.name
    return re.split(r"[_\d]", path.stem)[0] or path.stem
