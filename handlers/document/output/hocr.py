"""hOCR 1.2: the text as XHTML whose titles say where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import BinaryIO
from xml.sax.saxutils import escape

from handlers.document.engine import Quad
from handlers.document.layout import Block
from handlers.document.output.markup import attribute, baseline, clockwise, extent
from handlers.document.output.page import PlacedLine, PlacedPage, clean
from handlers.document.output.spool import append, spooled
from handlers.document.records import PageRecord

HOCR_TYPE = "application/xhtml+xml"

INCH = 300
"""Pixels that stand for an inch, where a page is measured in inches: hOCR knows pixels only. ``scan_res`` says so."""

_CAPABILITIES = "ocr_page ocr_carea ocr_par ocr_line ocrx_word ocrp_wconf"

_HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml">
<head>
<title>{title}</title>
<meta http-equiv="Content-Type" content="text/html;charset=utf-8"/>
<meta name="ocr-system" content={system}/>
<meta name="ocr-capabilities" content={capabilities}/>
<meta name="ocr-number-of-pages" content="{pages}"/>
</head>
<body>
"""


def write_hocr(pages: Iterable[PageRecord], out: BinaryIO, title: str = "") -> None:
    """Write a document as well-formed XHTML in UTF-8.

    Positions are whole pixels. ``x_wconf`` is 0 to 100. A line that is not upright has a ``textangle``, in degrees
    counter-clockwise; one that lies within 45 degrees has a ``baseline``, by
    :data:`handlers.document.output.markup.DESCENT`. What read the pages is gathered on the way, so the body is spooled.
    """
    systems: dict[str, None] = {}
    count = 0
    with ExitStack() as stack:
        body = stack.enter_context(spooled())
        for record in pages:
            count += 1
            if record.engine:
                systems[clean(record.engine)] = None
            body.writelines(f"{element}\n".encode() for element in _page(PlacedPage(record)))
        head = _HEAD.format(
            title=escape(clean(title)),
            system=attribute(", ".join(systems) or "none"),
            capabilities=attribute(_CAPABILITIES),
            pages=count,
        )
        out.write(head.encode())
        append(body, out)
    out.write(b"</body>\n</html>\n")


def _page(placed: PlacedPage) -> Iterator[str]:
    record = placed.record
    scale = float(INCH) if record.unit == "inch" else 1.0
    number = record.page
    resolution = f"; scan_res {INCH} {INCH}" if record.unit == "inch" else ""
    size = f"bbox 0 0 {round(record.width * scale)} {round(record.height * scale)}"
    yield _opened("div", "ocr_page", f"page_{number}", f"{size}; ppageno {number - 1}{resolution}")
    for index, block in enumerate(placed.blocks, 1):
        yield from _block(placed, block, f"{number}_{index}", scale)
    yield "</div>"


def _block(placed: PlacedPage, block: Block, name: str, scale: float) -> Iterator[str]:
    """A content area with one paragraph; of a table, one for each row."""
    box = _box((placed.lines[i].polygon for i in block.lines), scale)
    yield _opened("div", "ocr_carea", f"block_{name}", box)
    rows: dict[int, list[int]] = {}
    for cell in block.cells:
        rows.setdefault(cell.row, []).extend(cell.lines)
    for row, lines in enumerate(rows.values() if rows else [block.lines], 1):
        box = _box((placed.lines[i].polygon for i in lines), scale)
        yield _opened("p", "ocr_par", f"par_{name}_{row}", box)
        for index in lines:
            yield _line(placed.lines[index], f"{placed.record.page}_{index + 1}", scale)
        yield "</p>"
    yield "</div>"


def _line(line: PlacedLine, name: str, scale: float) -> str:
    """A line with its words, and between them what stands between them in its text."""
    parts = [_opened("span", "ocr_line", f"line_{name}", _line_title(line, scale))]
    end = 0
    for index, word in enumerate(line.words, 1):
        title = f"{_box([word.polygon], scale)}; x_wconf {round(100 * word.confidence)}"
        parts.append(escape(line.text[end : word.start]))
        parts.append(_opened("span", "ocrx_word", f"word_{name}_{index}", title) + escape(word.text) + "</span>")
        end = word.end
    return "".join([*parts, "</span>"])


def _line_title(line: PlacedLine, scale: float) -> str:
    title = _box([line.polygon], scale)
    angle = clockwise(line.polygon)
    if abs(angle) > 45:
        return f"{title}; textangle {round(-angle) % 360}"
    box = extent([line.polygon], scale)
    (x1, y1), (x2, y2) = baseline(line.polygon)
    slope = (y2 - y1) / (x2 - x1) if x2 > x1 else 0.0
    offset = scale * y1 + slope * (box.left - scale * x1) - box.bottom
    return f"{title}; baseline {_number(slope, 4)} {_number(offset, 1)}"


def _number(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:g}"


def _box(polygons: Iterable[Quad], scale: float) -> str:
    left, top, right, bottom = extent(polygons, scale)
    return f"bbox {round(left)} {round(top)} {round(right)} {round(bottom)}"


def _opened(element: str, kind: str, name: str, title: str) -> str:
    return f"<{element} class={attribute(kind)} id={attribute(name)} title={attribute(title)}>"
