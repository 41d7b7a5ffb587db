"""Whether a PDF that was made elsewhere may claim PDF/A-2b.

It may where it claimed it before, and where it is a plain scan: pages of pictures and lines, each of whose parts is on
the lists below. A list says what is known to conform (ISO 19005-2, 6.1 to 6.6), and what is not on it is an obstacle,
such as a font, which would have to be taken apart to be sure of it, an annotation, or an action.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from handlers.document.errors import DecodeFailed
from handlers.document.pdf.glyphless import FONT_NAME
from handlers.document.pdf.pdfa import PRODUCER
from handlers.document.pdf.qpdf import translated

if TYPE_CHECKING:
    import pikepdf


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_CATALOG = _set(
    "/Type /Pages /Version /Metadata /OutputIntents /PageLabels /PageLayout /PageMode /ViewerPreferences /Lang "
    "/MarkInfo"
)
_PAGE = _set(
    "/Type /Parent /MediaBox /CropBox /BleedBox /TrimBox /ArtBox /Rotate /UserUnit /Resources /Contents /StructParents "
    "/Tabs"
)
_RESOURCES = _set("/XObject /Font /ExtGState /ColorSpace /ProcSet")
_STATE = _set("/Type /LW /LC /LJ /ML /D /SA /CA /ca")
_IMAGE = _set(
    "/Type /Subtype /Name /Width /Height /ColorSpace /BitsPerComponent /Filter /DecodeParms /Decode /ImageMask /Mask "
    "/SMask /Interpolate /Length"
)
_FILTERS = _set(
    "/DCTDecode /FlateDecode /CCITTFaxDecode /JBIG2Decode /RunLengthDecode /LZWDecode /ASCII85Decode /ASCIIHexDecode"
)
"""LZW is packed anew when the file is written."""

_OPERATORS = _set(
    "q Q cm Do w J j M d i gs m l c v y h re S s f F f* B B* b b* n W W* g G rg RG cs CS BT ET Tf Tm Tz Tr Tj BMC EMC"
)
_SIDES = (3.0, 14_400.0)
_MAX_STATES = 28
"""Of graphics states inside each other (ISO 19005-2, 6.1.13)."""

_CLAIM = {
    name: re.compile(rf"pdfaid:{name}\s*(?:=\s*[\"']|>)\s*([0-9A-Za-z]+)".encode()) for name in ("part", "conformance")
}


def obstacles(pdf: pikepdf.Pdf) -> tuple[str, ...]:
    """Why the file may not claim PDF/A-2b, the first of each page; none where it may."""
    if _claimed(pdf, "part") == "2":
        return ()
    found = [_first(_in_document(pdf)), *(_first(_in_page(page)) for page in pdf.pages)]
    return tuple(dict.fromkeys(reason for reason in found if reason is not None))


def _first(reasons: Iterator[str]) -> str | None:
    try:
        with translated():
            return next(reasons, None)
    except DecodeFailed:
        return "a damaged object"


def claim(pdf: pikepdf.Pdf, intent: pikepdf.Object) -> None:
    """Claim PDF/A-2b for a file without obstacles; ``intent`` is sRGB's, for one that has none."""
    import pikepdf  # noqa: PLC0415 - the function app has none

    if _claimed(pdf, "part") == "2":
        lower_claim(pdf)
        return
    # What the old packet says may need schemas that PDF/A wants described; what the document says of itself is kept.
    if "/Metadata" in pdf.Root:
        del pdf.Root["/Metadata"]
    pdf.Root.OutputIntents = pikepdf.Array([intent])
    with pdf.open_metadata(set_pikepdf_as_editor=False, update_docinfo=False) as packet:
        packet.load_from_docinfo(pdf.docinfo)
        packet["pdfaid:part"] = "2"
        packet["pdfaid:conformance"] = "B"
        if "/Producer" not in pdf.docinfo:
            packet["pdf:Producer"] = PRODUCER


def lower_claim(pdf: pikepdf.Pdf) -> None:
    """A file that claimed to be accessible no longer is: the text that was added is not in its structure."""
    if _claimed(pdf, "conformance") != "A":
        return
    with pdf.open_metadata(set_pikepdf_as_editor=False, update_docinfo=False) as packet:
        packet["pdfaid:conformance"] = "B"


def _claimed(pdf: pikepdf.Pdf, name: str) -> str | None:
    import pikepdf  # noqa: PLC0415 - the function app has none

    packet = pdf.Root.get("/Metadata")
    if not isinstance(packet, pikepdf.Stream):
        return None
    found = _CLAIM[name].search(packet.read_bytes())
    return found[1].decode("ascii") if found else None


def _in_document(pdf: pikepdf.Pdf) -> Iterator[str]:
    yield from (f"{key} in the catalog" for key in _unknown(pdf.Root, _CATALOG))


def _in_page(page: pikepdf.Page) -> Iterator[str]:
    yield from (f"{key} in a page" for key in _unknown(page.obj, _PAGE))
    if not all(_SIDES[0] <= side <= _SIDES[1] for side in _sides(page)):
        yield "the size of a page"
    resources = page.resources
    yield from (f"{key} in the resources of a page" for key in _unknown(resources, _RESOURCES))
    yield from _in_resources(resources)
    yield from _in_content(page)


def _sides(page: pikepdf.Page) -> Iterator[float]:
    for box in (page.mediabox, page.cropbox):
        left, bottom, right, top = (float(value) for value in box.as_list())
        yield from (abs(right - left), abs(top - bottom))


def _in_resources(resources: pikepdf.Object) -> Iterator[str]:
    for font in _entries(resources, "/Font"):
        if str(font.get("/BaseFont")) != f"/{FONT_NAME}":
            yield "a font"
    for state in _entries(resources, "/ExtGState"):
        yield from (f"{key} in a graphics state" for key in _unknown(state, _STATE))
    for space in _entries(resources, "/ColorSpace"):
        if not _is_plain_space(space):
            yield "a colour space"
    for drawn in _entries(resources, "/XObject"):
        yield from _in_image(drawn)


def _in_image(image: pikepdf.Object) -> Iterator[str]:
    if str(image.get("/Subtype")) != "/Image":
        yield "an object that is no image"
        return
    yield from (f"{key} in an image" for key in _unknown(image, _IMAGE))
    yield from (f"{name} in an image" for name in _names(image.get("/Filter")) if name not in _FILTERS)
    if image.get("/Interpolate", False):
        yield "/Interpolate in an image"
    if not image.get("/ImageMask", False) and not _is_plain_space(image.get("/ColorSpace")):
        yield "the colour space of an image"
    for name in ("/Mask", "/SMask"):
        if _is_stream(image.get(name)):
            yield from _in_image(image[name])


def _in_content(page: pikepdf.Page) -> Iterator[str]:
    import pikepdf  # noqa: PLC0415 - the function app has none

    depth = 0
    for instruction in pikepdf.parse_content_stream(page):
        operator = str(instruction.operator)
        if operator not in _OPERATORS:
            yield f"the operator {operator}"
        depth += {"q": 1, "Q": -1}.get(operator, 0)
        if not 0 <= depth <= _MAX_STATES:
            yield "graphics states"


def _is_plain_space(space: pikepdf.Object | None) -> bool:
    """Grey or colour that an output intent of sRGB covers, by a profile of its own, or by a palette of such."""
    import pikepdf  # noqa: PLC0415 - the function app has none

    if str(space) in ("/DeviceGray", "/DeviceRGB"):
        return True
    if not isinstance(space, pikepdf.Array) or len(space) < 2:
        return False
    kind = str(space[0])
    if kind == "/Indexed":
        return str(space[1]) != kind and _is_plain_space(space[1])
    return kind in ("/CalGray", "/CalRGB") or (kind == "/ICCBased" and int(space[1].get("/N", 0)) in (1, 3))


def _entries(resources: pikepdf.Object, kind: str) -> Iterator[pikepdf.Object]:
    found = resources.get(kind)
    return (value for _, value in found.items()) if found is not None else iter(())


def _unknown(dictionary: pikepdf.Object, known: frozenset[str]) -> list[str]:
    return sorted(key for key in dictionary.keys() if key not in known)  # noqa: SIM118 - an Object, no dict


def _names(value: pikepdf.Object | None) -> list[str]:
    import pikepdf  # noqa: PLC0415 - the function app has none

    if value is None:
        return []
    return [str(name) for name in value] if isinstance(value, pikepdf.Array) else [str(value)]


def _is_stream(value: object) -> bool:
    import pikepdf  # noqa: PLC0415 - the function app has none

    return isinstance(value, pikepdf.Stream)
