"""ALTO 4.4: the text as XML that libraries and archives keep beside their scans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from handlers.document.engine import Quad
from handlers.document.files import Unit
from handlers.document.layout import Block, BlockKind, goes_on
from handlers.document.output.markup import attribute, baseline, extent
from handlers.document.output.page import PlacedLine, PlacedPage, PlacedWord, clean, part
from handlers.document.output.spool import append, spooled
from handlers.document.records import PageRecord

ALTO_TYPE = "application/xml"

INCH1200 = 1_200
"""ALTO's measurement unit for pages in inches: 1,200 of it are one."""

PIXEL_OF_AN_INCH = 300
"""Pixels that are taken for an inch, should a page in pixels follow one in inches: a file has one unit."""

_HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="http://www.loc.gov/standards/alto/ns-v4# http://www.loc.gov/standards/alto/v4/alto-4-4.xsd" \
SCHEMAVERSION="4.4">
<Description>
<MeasurementUnit>{unit}</MeasurementUnit>
{readers}</Description>
<Tags>
{tags}
</Tags>
<Layout>
"""

_READER = """\
<Processing ID="READER_{number}">
<processingCategory>contentGeneration</processingCategory>
<processingStepSettings>{models}</processingStepSettings>
<processingSoftware><softwareName>{engine}</softwareName></processingSoftware>
</Processing>
"""


def write_alto(pages: Iterable[PageRecord], out: BinaryIO) -> None:
    """Write a document of at least one page as ALTO 4.4 in UTF-8.

    The unit is the first page's: ``pixel``, or ``inch1200``. Blocks are in reading order, each tagged with its kind; a
    table is a composed block of its cells. ``WC`` is 0 to 1. What read the pages stands before them, and is known
    after them, so the pages are spooled.
    """
    readers: dict[tuple[str, str], int] = {}
    unit: Unit = "pixel"
    with spooled() as body:
        for index, record in enumerate(pages):
            unit = record.unit if index == 0 else unit
            reader = (clean(record.engine), clean(", ".join(record.models)))
            known = readers.setdefault(reader, len(readers) + 1) if record.engine else 0
            scale = _scale(record.unit, unit)
            body.writelines(f"{element}\n".encode() for element in _Page(PlacedPage(record), scale).elements(known))
        out.write(_head(unit, readers).encode())
        append(body, out)
    out.write(b"</Layout>\n</alto>\n")


def _scale(unit: Unit, of_file: Unit) -> float:
    if of_file == "pixel":
        return 1.0 if unit == "pixel" else float(PIXEL_OF_AN_INCH)
    return float(INCH1200) if unit == "inch" else INCH1200 / PIXEL_OF_AN_INCH


def _head(unit: Unit, readers: dict[tuple[str, str], int]) -> str:
    return _HEAD.format(
        unit="inch1200" if unit == "inch" else "pixel",
        readers="".join(
            _READER.format(number=number, engine=_escaped(engine), models=_escaped(models))
            for (engine, models), number in readers.items()
        ),
        tags="\n".join(f'<StructureTag ID="{_tag(kind)}" LABEL="{kind.value}"/>' for kind in BlockKind),
    )


def _tag(kind: BlockKind) -> str:
    return f"KIND_{kind.name}"


class _Page:
    """Writes one page; all its positions are times ``scale``."""

    def __init__(self, placed: PlacedPage, scale: float) -> None:
        self._placed = placed
        self._scale = scale
        self._number = placed.record.page

    def elements(self, reader: int) -> Iterator[str]:
        record = self._placed.record
        size = f'WIDTH="{_number(record.width * self._scale)}" HEIGHT="{_number(record.height * self._scale)}"'
        details = f' PROCESSINGREFS="READER_{reader}"' if reader else ""
        if record.angle:
            details += f' ROTATION="{_number(-record.angle)}"'
        if record.mean_confidence is not None:
            details += f' PC="{_number(record.mean_confidence)}"'
        yield f'<Page ID="PAGE_{self._number}" PHYSICAL_IMG_NR="{self._number}" {size}{details}>'
        yield f'<PrintSpace HPOS="0" VPOS="0" {size}>'
        for index, block in enumerate(self._placed.blocks, 1):
            yield from self._block(block, f"{self._number}_{index}")
        yield "</PrintSpace>"
        yield "</Page>"

    def _block(self, block: Block, name: str) -> Iterator[str]:
        if block.kind is not BlockKind.TABLE:
            yield from self._text_block(block.lines, name, f' TAGREFS="{_tag(block.kind)}"')
            return
        yield f'<ComposedBlock ID="TABLE_{name}" {self._position_of(block.lines)} TYPE="table" TAGREFS="KIND_TABLE">'
        for cell, lines in enumerate((cell.lines for cell in block.cells), 1):
            yield from self._text_block(lines, f"{name}_{cell}", "")
        yield "</ComposedBlock>"

    def _text_block(self, lines: Sequence[int], name: str, tag: str) -> Iterator[str]:
        yield f'<TextBlock ID="BLOCK_{name}" {self._position_of(lines)}{tag}>'
        members = [self._placed.lines[index] for index in lines]
        parted_word = ""
        for position, (index, line) in enumerate(zip(lines, members, strict=True)):
            following = members[position + 1] if position + 1 < len(members) else None
            whole = _whole_word(line, following)
            yield self._line(line, f"{self._number}_{index + 1}", parted_word, whole)
            parted_word = whole
        yield "</TextBlock>"

    def _line(self, line: PlacedLine, name: str, ends: str, begins: str) -> str:
        """``ends`` is the word whose second part the line begins with, ``begins`` the one whose first it ends with."""
        points = " ".join(f"{_number(x * self._scale)},{_number(y * self._scale)}" for x, y in baseline(line.polygon))
        parts = [f'<TextLine ID="LINE_{name}" {self._position([line.polygon])} BASELINE="{points}">']
        end = 0
        for index, word in enumerate(line.words):
            if word.start > end and index:
                parts.append(self._space(line.words[index - 1], word))
            last = index == len(line.words) - 1
            if last and begins:
                parts.extend(self._beginning(word, begins))
            else:
                parts.append(self._string(word, _substitute("HypPart2", ends) if index == 0 and ends else ""))
            end = word.end
        return "".join([*parts, "</TextLine>"])

    def _beginning(self, word: PlacedWord, whole: str) -> Iterator[str]:
        """A word without its hyphen, and the hyphen."""
        share = (len(word.text) - 1) / len(word.text)
        letters = PlacedWord(word.text[:-1], word.start, part(word.polygon, 0.0, share), word.confidence)
        yield self._string(letters, _substitute("HypPart1", whole))
        yield f"<HYP {self._position([part(word.polygon, share, 1.0)])} CONTENT={attribute(word.text[-1])}/>"

    def _string(self, word: PlacedWord, details: str) -> str:
        position = self._position([word.polygon])
        return f'<String {position} CONTENT={attribute(word.text)} WC="{_number(word.confidence)}"{details}/>'

    def _space(self, before: PlacedWord, after: PlacedWord) -> str:
        (_, upper, lower, _), (other, _, _, last) = before.polygon, after.polygon
        return f"<SP {self._position([(upper, other, last, lower)])}/>"

    def _position_of(self, lines: Iterable[int]) -> str:
        return self._position([self._placed.lines[index].polygon for index in lines])

    def _position(self, polygons: Iterable[Quad]) -> str:
        left, top, right, bottom = extent(polygons, self._scale)
        return (
            f'HPOS="{_number(left)}" VPOS="{_number(top)}" WIDTH="{_number(right - left)}" '
            f'HEIGHT="{_number(bottom - top)}"'
        )


def _whole_word(line: PlacedLine, following: PlacedLine | None) -> str:
    """The word that a hyphen parts at the end of ``line``; nothing where none does."""
    if following is None or not goes_on(line.text, following.text) or len(line.words[-1].text) < 2:
        return ""
    return line.words[-1].text[:-1] + following.words[0].text


def _substitute(kind: str, whole: str) -> str:
    return f' SUBS_TYPE="{kind}" SUBS_CONTENT={attribute(whole)}'


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _number(value: float) -> str:
    """At most four decimals, and no exponent."""
    return f"{round(value, 4) + 0.0:.4f}".rstrip("0").rstrip(".")
