from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from typing import Any

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name

from handlers.document.errors import DecodeTooCostly
from handlers.document.limits import DocumentLimits
from handlers.document.pdf.costly_pages import blanked
from handlers.document.pdf.file import open_pdf
from handlers.document.pdf.stream_costs import MAX_COSTLY, look_at_streams
from tests.support.pdfs import PageSpec, make_pdf, saved, shown

LIMITS = DocumentLimits()
SWELLS = zlib.compress(zlib.compress(b" " * 8_000_000, 9), 9)


def bomb(pdf: pikepdf.Pdf, **entries: Any) -> pikepdf.Object:
    stream = pikepdf.Stream(pdf, SWELLS)
    stream.stream_dict = Dictionary(Filter=Array([Name.FlateDecode] * 2), **entries)
    return pdf.make_indirect(stream)


def as_contents(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
    page.obj.Contents = bomb(pdf)


def as_form(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
    form = bomb(pdf, Type=Name.XObject, Subtype=Name.Form, BBox=Array([0, 0, 9, 9]))
    page.obj.Resources.XObject = Dictionary(F=form)
    page.contents_add(b"/F Do")


def as_font(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
    described = pdf.make_indirect(Dictionary(Type=Name.FontDescriptor, FontName=Name.X, FontFile2=bomb(pdf)))
    page.obj.Resources.Font.F2 = Dictionary(Type=Name.Font, Subtype=Name.TrueType, FontDescriptor=described)


def as_mask_of_a_pattern(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
    state = Dictionary(SMask=Dictionary(S=Name.Alpha, G=bomb(pdf, Type=Name.XObject, Subtype=Name.Form)))
    pattern = pdf.make_stream(b"0 0 9 9 re f", Type=Name.Pattern, Resources=Dictionary(ExtGState=Dictionary(G=state)))
    page.obj.Resources.Pattern = Dictionary(P=pattern)


def as_look_of_an_annotation(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
    stamp = Dictionary(Type=Name.Annot, Subtype=Name.Stamp, Rect=Array([0, 0, 9, 9]), AP=Dictionary(N=bomb(pdf)))
    page.obj.Annots = Array([pdf.make_indirect(stamp)])


def as_inherited(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
    """From a node of the page tree that has this page alone."""
    del page.obj["/Resources"]
    kids = pdf.Root.Pages.Kids
    resources = Dictionary(XObject=Dictionary(F=bomb(pdf, Subtype=Name.Form)))
    node = pdf.make_indirect(
        Dictionary(Type=Name.Pages, Parent=pdf.Root.Pages, Count=1, Kids=Array([page.obj]), Resources=resources)
    )
    page.obj.Parent = node
    kids[1] = node


PLACES = [as_contents, as_form, as_font, as_mask_of_a_pattern, as_look_of_an_annotation, as_inherited]


def three_pages(place: Callable[[pikepdf.Pdf, pikepdf.Page], None], **save: object) -> bytes:
    """Of which the second has the bomb, and the first a link to the second."""
    with pikepdf.open(_of_text()) as pdf:
        link = Dictionary(Type=Name.Annot, Subtype=Name.Link, Rect=Array([0, 0, 9, 9]), P=pdf.pages[0].obj)
        link.Dest = Array([pdf.pages[1].obj, Name.Fit])
        pdf.pages[0].obj.Annots = Array([pdf.make_indirect(link)])
        place(pdf, pdf.pages[1])
        return saved(pdf, **save)


def _of_text() -> io.BytesIO:
    return io.BytesIO(make_pdf(*(PageSpec(shown(f"page {number}", 50, 50)) for number in (1, 2, 3))))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("objects", [True, False])
def test_a_page_that_costs_too_much_is_refused_alone(
    place: Callable[[pikepdf.Pdf, pikepdf.Page], None], objects: bool
) -> None:
    mode = pikepdf.ObjectStreamMode.generate if objects else pikepdf.ObjectStreamMode.disable

    with open_pdf(three_pages(place, object_stream_mode=mode), LIMITS) as file:
        with pytest.raises(DecodeTooCostly):
            file.text_layer(2)
        with pytest.raises(DecodeTooCostly):
            file.pixels(2)
        for number in (1, 3):
            layer = file.text_layer(number)
            assert layer is not None
            assert [line.text for line in layer.lines] == [f"page {number}"]


def test_what_no_page_is_made_of_costs_nothing() -> None:
    with open_pdf(three_pages(lambda pdf, page: pdf.Root.__setitem__("/Kept", bomb(pdf))), LIMITS) as file:
        assert all(file.text_layer(number) is not None for number in (1, 2, 3))


def test_pdfium_finds_nothing_where_a_costly_stream_was() -> None:
    data = three_pages(as_form, object_stream_mode=pikepdf.ObjectStreamMode.disable)
    look = look_at_streams(data, LIMITS)

    copy = blanked(data, look.costly)

    assert len(copy) == len(data)
    assert not look_at_streams(copy, LIMITS).costly
    assert copy.count(b"/Subtype /Form") == data.count(b"/Subtype /Form") - 1


def test_a_document_of_many_such_streams_is_refused_whole() -> None:
    with pikepdf.new() as pdf:
        for _ in range(MAX_COSTLY + 1):
            pdf.add_blank_page().obj.Contents = bomb(pdf)
        data = saved(pdf)

    with pytest.raises(DecodeTooCostly):
        open_pdf(data, LIMITS)
