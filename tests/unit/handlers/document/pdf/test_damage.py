from __future__ import annotations

import io
import re
import zlib

import pikepdf
import pytest
from pikepdf import Dictionary, Name
from PIL import Image

from handlers.document.errors import DecodeFailed
from handlers.document.limits import DocumentLimits
from handlers.document.pdf.file import open_pdf
from handlers.document.warnings import PageWarning
from tests.support.pdfs import PageSpec, make_pdf, saved, shown

LIMITS = DocumentLimits()
PROSE = b"".join(shown(f"line {n} of the text", 20, 380 - 9 * n, 9) for n in range(40))


def plain(*pages: PageSpec) -> bytes:
    return make_pdf(*pages, object_stream_mode=pikepdf.ObjectStreamMode.disable, compress_streams=False)


def told(data: bytes, number: int = 1) -> list[tuple[str, object]]:
    """The warnings of a page that brings text."""
    with open_pdf(data, LIMITS) as file:
        layer = file.text_layer(number)
    assert layer is not None
    return [(warning.code, warning.value) for warning in layer.warnings]


def test_a_whole_document_is_not_said_to_be_damaged() -> None:
    for mode in (pikepdf.ObjectStreamMode.generate, pikepdf.ObjectStreamMode.disable):
        assert told(make_pdf(PageSpec(PROSE), object_stream_mode=mode)) == []


def test_a_document_without_its_end_was_repaired() -> None:
    data = plain(PageSpec(PROSE))
    table = data.rindex(b"xref", 0, data.rindex(b"startxref"))

    assert told(data[:table]) == [("DOCUMENT_REPAIRED", "structure")]
    assert told(data.replace(b"startxref\n%d" % table, b"startxref\n%d" % (table - 99))) == [
        ("DOCUMENT_REPAIRED", "table")
    ]


def test_of_a_page_that_is_cut_off_it_is_said_what_is_missing() -> None:
    data = plain(PageSpec(PROSE), PageSpec(PROSE))
    second = data.rindex(b"(line 20 ")

    with open_pdf(data[:second], LIMITS) as file:
        first = file.text_layer(1)
        assert first is not None
        assert [warning.code for warning in first.warnings] == ["DOCUMENT_REPAIRED"]
        with pytest.raises(DecodeFailed):
            file.text_layer(2)
        with pytest.raises(DecodeFailed):
            file.pixels(2)


def test_contents_that_are_gone_are_no_page_without_text() -> None:
    data = plain(PageSpec(PROSE), PageSpec(PROSE))
    at = [found.start() for found in re.finditer(rb"\n\d+ 0 obj\n<< /Length", data)][1]

    with open_pdf(data[: at + 1], LIMITS) as file:
        assert file.text_layer(1) is not None
        with pytest.raises(DecodeFailed):
            file.text_layer(2)


def test_compressed_contents_that_break_off_are_told() -> None:
    data = bytearray(
        make_pdf(
            PageSpec(b"".join(shown(f"line {n * n * 7919} {n}", 20, 380 - n, 9) for n in range(300))),
            object_stream_mode=pikepdf.ObjectStreamMode.disable,
        )
    )
    found = re.search(rb"/FlateDecode[^\n]*\n?.{0,80}?stream\n", data, re.DOTALL)
    assert found is not None
    middle = (found.end() + data.index(b"endstream", found.end())) // 2
    data[middle : middle + 400] = bytes(400)

    assert told(bytes(data)) == [("CONTENT_LOST", "contents")]


def test_a_picture_that_is_cut_off_is_told() -> None:
    picture = Image.new("L", (300, 400), 200)
    data = plain(PageSpec(b"q 300 0 0 400 0 0 cm /I1 Do Q", image=picture))
    contents = data.index(b"q 300 0 0 400")
    pixels = data.index(b"\xc8" * 100)
    assert contents < pixels

    with open_pdf(data[: pixels + 50_000], LIMITS) as file, pytest.raises(DecodeFailed):
        file.pixels(1)


def test_of_two_pictures_one_is_cut_off() -> None:
    picture = zlib.compress(bytes(range(256)) * 4)
    with pikepdf.new() as pdf:
        page = pdf.add_blank_page(page_size=(300, 400))
        page.obj.Resources = Dictionary(XObject=Dictionary(A=drawn(pdf, picture), B=drawn(pdf, picture)))
        page.obj.Contents = pdf.make_stream(b"q 99 0 0 99 0 0 cm /A Do Q q 99 0 0 99 100 0 cm /B Do Q")
        data = saved(pdf, compress_streams=False, object_stream_mode=pikepdf.ObjectStreamMode.disable)

    with open_pdf(data[: data.rindex(picture) + 20], LIMITS) as file:
        page_pixels = file.pixels(1)

    assert PageWarning("CONTENT_LOST", "pictures") in page_pixels.warnings
    assert page_pixels.pixels.min() < 50


@pytest.mark.parametrize("kept", [0.3, 0.9, 1.0])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_is_cut_in_a_document_that_is_whole_is_told(kept: float, progressive: bool) -> None:
    noise = Image.effect_noise((300, 400), 80)
    stream = io.BytesIO()
    noise.save(stream, "JPEG", progressive=progressive)
    jpeg = stream.getvalue()
    with pikepdf.open(io.BytesIO(plain(PageSpec(b"q 300 0 0 400 0 0 cm /I1 Do Q", image=noise)))) as pdf:
        pdf.pages[0].Resources.XObject.I1.write(jpeg[: int(kept * len(jpeg))], filter=Name.DCTDecode)
        data = saved(pdf)

    with open_pdf(data, LIMITS) as file:
        warnings = file.pixels(1).warnings

    assert (PageWarning("CONTENT_LOST", "pictures") in warnings) is (kept < 1)


def drawn(pdf: pikepdf.Pdf, packed: bytes) -> pikepdf.Object:
    stream = pikepdf.Stream(pdf, packed)
    stream.stream_dict = Dictionary(
        Type=Name.XObject,
        Subtype=Name.Image,
        Width=32,
        Height=32,
        BitsPerComponent=8,
        ColorSpace=Name.DeviceGray,
        Filter=Name.FlateDecode,
    )
    return pdf.make_indirect(stream)
