from __future__ import annotations

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name

from handlers.document.errors import DecodeTooCostly
from handlers.document.limits import DocumentLimits
from handlers.document.pdf.file import open_pdf
from tests.support.pdfs import saved

LIMITS = DocumentLimits()


def nested(levels: int, times: int, compressed: bool = True, itself: bool = False) -> bytes:
    """Forms that each draw the next ``times``, and the innermost, if wanted, the outermost."""
    with pikepdf.new() as pdf:
        page = pdf.add_blank_page(page_size=(200, 200))
        inner = form = form_of(pdf, b"0 0 9 9 re f ")
        for _ in range(levels):
            form = form_of(pdf, b"/F Do " * times, form)
        if itself:
            inner.write(b"/F Do")
            inner.Resources = Dictionary(XObject=Dictionary(F=form))
        page.obj.Resources = Dictionary(XObject=Dictionary(F=form))
        page.obj.Contents = pdf.make_stream(b"/F Do")
        return saved(pdf, compress_streams=compressed)


def form_of(pdf: pikepdf.Pdf, contents: bytes, child: pikepdf.Object | None = None) -> pikepdf.Object:
    form = pikepdf.Stream(pdf, contents)
    form.Type, form.Subtype, form.BBox = Name.XObject, Name.Form, Array([0, 0, 200, 200])
    if child is not None:
        form.Resources = Dictionary(XObject=Dictionary(F=child))
    return pdf.make_indirect(form)


@pytest.mark.parametrize("compressed", [True, False])
def test_forms_inside_each_other_count_as_often_as_they_are_drawn(compressed: bool) -> None:
    with open_pdf(nested(10, 10, compressed), LIMITS) as file, pytest.raises(DecodeTooCostly):
        file.pixels(1)


@pytest.mark.parametrize(("levels", "times"), [(1, 2_000), (3, 8), (40, 1)])
def test_what_drawings_have_is_read(levels: int, times: int) -> None:
    with open_pdf(nested(levels, times), LIMITS) as file:
        assert file.text_layer(1) is None


@pytest.mark.parametrize("levels", [0, 3])
def test_a_form_that_draws_itself_is_refused(levels: int) -> None:
    with open_pdf(nested(levels, 2, itself=True), LIMITS) as file, pytest.raises(DecodeTooCostly):
        file.text_layer(1)
