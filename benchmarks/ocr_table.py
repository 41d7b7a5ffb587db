"""The OCR benchmark's numbers, for a person."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.ocr_measure import FileScore, Measured
from benchmarks.ocr_scores import Score

WIDTH = 18


def print_pages(reader: Measured) -> None:
    for file in reader.files:
        print(f"{file.name:44} {_score(file.score)}  {file.seconds / file.pages:6.2f} s a page")


def print_report(readers: Sequence[Measured]) -> None:
    """CER and F1 of words in any order by kind and by condition, then what each reader costs."""
    names = "".join(f"{reader.name:>{WIDTH}}" for reader in readers)
    print(f"\n{'CER % / word F1 %':24}{names}")
    for group, scores in _groups(readers):
        print(f"{group:24}" + "".join(f"{_pair(one):>{WIDTH}}" for one in scores))
    print()
    figures = [reader.figures() for reader in readers]
    for figure in figures[0]:
        print(f"{figure:24}" + "".join(f"{_shown(values[figure]):>{WIDTH}}" for values in figures))
    for reader in readers:
        packages = ", ".join(f"{package} {number}" for package, number in reader.versions.items())
        print(f"{reader.name}: {packages}; all pages: {reader.way}")


def _groups(readers: Sequence[Measured]) -> list[tuple[str, list[Score]]]:
    """A row for each kind, for each condition where there is more than one, and for all together."""
    rows: list[tuple[str, list[Score]]] = []
    for key in (_kind, _condition):
        tables = [reader.by(key) for reader in readers]
        if key is _kind or len(tables[0]) > 1:
            rows += [(group, [table[group] for table in tables]) for group in tables[0]]
    return [*rows, ("in all", [reader.total for reader in readers])]


def _kind(file: FileScore) -> str:
    return file.kind


def _condition(file: FileScore) -> str:
    return file.condition


def _score(score: Score) -> str:
    boxes = "" if score.boxes is None else f"  in place {score.boxes.f1_percent:6.2f} %"
    return f"CER {score.cer_percent:6.2f} %  words {score.words.f1_percent:6.2f} %{boxes}"


def _pair(score: Score) -> str:
    return f"{score.cer_percent:.2f} / {score.words.f1_percent:.1f}"


def _shown(value: object) -> str:
    return "-" if value is None else str(value)
