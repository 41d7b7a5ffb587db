"""Pages beside what was read on them, to be looked at: ``python -m benchmarks.gallery --out DIR [--data DIR]``.

``DIR/index.html`` shows each page with the words drawn on it, its text, what was warned of, and how right it is. The
pages are made up, one of each kind and condition that ``--count`` reaches, and those of ``--data``.
"""

from __future__ import annotations

import argparse
import html
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.document_pages.__main__ import chosen_fonts
from benchmarks.document_pages.fonts import NoFonts
from benchmarks.document_pages.pages import made_pages
from benchmarks.ocr_cases import Case, NothingMeasured, cases_in
from benchmarks.ocr_reader import read_path
from benchmarks.ocr_scores import score
from benchmarks.report import at_least
from core.errors import CoreMachineError
from docker_worker.models import DEFAULT_ROOT
from docker_worker.ocr.languages import PADDLE_LANGUAGES
from docker_worker.ocr.paddle_engine import PaddleEngines
from docker_worker.ocr.scripts import EnginesByScript
from handlers.document.engine import EngineChoice, OcrEngine, Quality
from handlers.document.files import open_document
from handlers.document.limits import DocumentLimits
from handlers.document.output import draw_overlay, page_text, thumbnail
from handlers.document.records import PageRecord

SIDE = 1400
STYLE = """
body { font-family: sans-serif; margin: 1.5rem; }
section { display: grid; grid-template-columns: 1fr 1fr 1fr; gap: 1rem; border-top: 1px solid #999; padding: 1rem 0; }
h2 { grid-column: 1 / -1; font-size: 1rem; margin: 0; }
h2 small { font-weight: normal; margin-left: 1rem; }
img { width: 100%; border: 1px solid #ccc; }
pre { white-space: pre-wrap; font-size: .8rem; margin: 0; }
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """A page of a file. ``pictures`` are the names of the page as it came and with its words drawn on it."""

    name: str
    record: PageRecord
    cer_percent: float | None
    pictures: tuple[str, str]


def shown(case: Case, engine: OcrEngine, out: Path) -> Iterator[Shown]:
    """Read the pages of a file, and write their pictures. The CER is that of the file, at its first page."""
    records = []
    with open_document(case.path.read_bytes(), DocumentLimits()) as file:
        for size in file.info.pages:
            record, pixels = read_path(engine, case.path, size.number), file.pixels(size.number).pixels
            stem = f"{case.name}-{size.number}"
            pictures = (f"{stem}.jpg", f"{stem}-read.jpg")
            (out / pictures[0]).write_bytes(thumbnail(pixels, SIDE))
            (out / pictures[1]).write_bytes(draw_overlay(pixels, record, SIDE))
            records.append((stem, record, pictures))
    cer = score(case.text, "\n".join(page_text(record) for _, record, _ in records)).cer_percent
    for number, (stem, record, pictures) in enumerate(records):
        yield Shown(stem, record, None if number else cer, pictures)


def page_html(pages: Sequence[Shown]) -> str:
    body = "\n".join(_section(page) for page in pages)
    head = f'<meta charset="utf-8"><title>Pages and what was read</title><style>{STYLE}</style>'
    return f"<!doctype html>\n<html lang=en>\n<head>{head}</head>\n<body>\n{body}\n</body>\n</html>\n"


def _section(page: Shown) -> str:
    record = page.record
    facts = [record.status, record.origin, f"{len(record.lines)} lines", f"angle {record.angle}"]
    facts += [] if page.cer_percent is None else [f"CER {page.cer_percent:.2f} %"]
    facts += [f"{warning.code} {'' if warning.value is None else warning.value}".strip() for warning in record.warnings]
    pictures = "".join(f'<img src="{html.escape(picture)}" alt="" loading="lazy">' for picture in page.pictures)
    heading = (
        f"<h2>{html.escape(page.name)}<small>{html.escape(' · '.join(fact for fact in facts if fact))}</small></h2>"
    )
    return f"<section>{heading}{pictures}<pre>{html.escape(page_text(record))}</pre></section>"


def gallery(cases: Sequence[Case], engine: OcrEngine, out: Path) -> Path:
    """Raises :class:`core.errors.CoreMachineError` where a page cannot be read."""
    out.mkdir(parents=True, exist_ok=True)
    pages = [page for case in cases for page in shown(case, engine, out)]
    index = out / "index.html"
    index.write_text(page_html(pages), encoding="utf-8")
    return index


def _cases(options: argparse.Namespace, folder: Path) -> list[Case]:
    for page in made_pages(chosen_fonts(options.fonts), options.seed, options.count):
        page.write(folder)
    return [*cases_in(folder), *(cases_in(options.data) if options.data else [])]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exits 2 where there is nothing to show it with."""
    options = _options().parse_args(arguments)
    with TemporaryDirectory(prefix="gallery-") as name:
        try:
            engine = EnginesByScript(PaddleEngines(options.models), PADDLE_LANGUAGES)(EngineChoice(options.quality))
            print(gallery(_cases(options, Path(name)), engine, options.out))
        except (CoreMachineError, NoFonts, NothingMeasured) as error:
            print(f"benchmarks.gallery: {error}", file=sys.stderr)
            return 2
    return 0


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m benchmarks.gallery", description="Pages beside what was read")
    options.add_argument("--out", type=Path, default=Path("build/gallery"), help="(default: %(default)s)")
    options.add_argument("--data", type=Path, help="a folder of images and PDFs with their truth, to be shown, too")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--count", type=at_least(1), default=30, help="made-up pages (default: %(default)s)")
    options.add_argument("--quality", type=Quality, choices=list(Quality), default=Quality.ACCURATE)
    options.add_argument("--models", type=Path, default=DEFAULT_ROOT, help="the OCR models (default: %(default)s)")
    options.add_argument("--fonts", default="pinned", help="'pinned' (the default), 'none', or a folder of fonts")
    return options


if __name__ == "__main__":
    sys.exit(main())
