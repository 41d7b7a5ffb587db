from __future__ import annotations

import io
import zlib
from collections.abc import Sequence

import numpy as np
import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name
from PIL import Image

from handlers.document.errors import CopyNotPermitted, DecodeFailed
from handlers.document.limits import DocumentLimits
from handlers.document.pdf.file import open_pdf
from handlers.document.pdf.searchable import check_searchable, write_searchable
from handlers.document.records import PageRecord
from handlers.document.warnings import PageWarning, WarningCode
from tests.support.pdfs import PageSpec, characters, make_pdf, make_record, qpdf_findings, saved, shown

LIMITS = DocumentLimits()
BOX = [1.0, 1.0, 2.0, 1.0, 2.0, 1.2, 1.0, 1.2]


def read(number: int, word: str = "Lesung", **others: object) -> PageRecord:
    return make_record(number, 300 / 72, 400 / 72, "inch", [[(word, BOX)]], **others)


def copied(
    data: bytes, pages: Sequence[PageRecord], password: str | None = None
) -> tuple[bytes, tuple[PageWarning, ...]]:
    out = io.BytesIO()
    with open_pdf(data, LIMITS, password) as file:
        check_searchable(file, data)
        found = write_searchable(file, data, iter(pages), out)
    return out.getvalue(), found


def pictures(data: bytes) -> list[bytes]:
    """At one resolution: that of a page which is read depends on the text that it brings."""
    with open_pdf(data, DocumentLimits(max_page_pixels=60_000)) as file:
        return [file.pixels(page.number).pixels.tobytes() for page in file.info.pages]


def text_of(data: bytes, number: int = 1) -> str:
    return "".join(found.text for found in characters(data, number))


def test_pages_look_as_they_did_and_have_their_text() -> None:
    data = make_pdf(
        PageSpec(b"1 0 0 rg 50 50 100 100 re f", rotate=90), PageSpec(shown("kept", 20, 300)), PageSpec(b"0 0 9 9 re f")
    )

    pdf, found = copied(data, [read(1), read(2, origin="text_layer"), make_record(3, 4, 5, "inch", [])])

    assert found == ()
    assert pictures(pdf) == pictures(data)
    assert [text_of(pdf, number) for number in (1, 2, 3)] == ["Lesung", "kept", ""]
    assert qpdf_findings(pdf) == []


def test_the_copy_is_hardly_larger() -> None:
    noise = np.random.default_rng(2).integers(0, 256, (400, 300), np.uint8)
    data = make_pdf(*[PageSpec(b"q 300 0 0 400 0 0 cm /I1 Do Q", image=Image.fromarray(noise))] * 3)

    pdf, _ = copied(data, [read(1), read(2), read(3)])

    assert len(pdf) < len(data) + 6_000


def test_a_file_with_nothing_to_add_is_written_as_it_is() -> None:
    data = make_pdf(PageSpec(shown("text", 20, 300)))

    assert copied(data, [read(1, origin="text_layer")]) == (data, ())


def test_the_same_document_gives_the_same_bytes() -> None:
    data = make_pdf(PageSpec(), PageSpec())

    assert copied(data, [read(1), read(2)]) == copied(data, [read(1), read(2)])


@pytest.mark.parametrize(
    "content", [b"q q 0.1 0 0 0.1 7 7 cm", b"Q Q Q", b"0.5 0 0 0.5 100 100 cm 3 Tr BT /F1 9 Tf", b"(", b"BT ET q <<"]
)
def test_what_a_page_leaves_open_does_not_move_the_text(content: bytes) -> None:
    pdf, _ = copied(make_pdf(PageSpec(content)), [read(1)])

    first = characters(pdf)[0]
    assert first.text == "L"
    assert (first.x, first.y) == pytest.approx((72 + 6, 400 - 1.1 * 72), abs=0.5)


def test_resources_that_pages_inherit_stay_theirs() -> None:
    with pikepdf.open(io.BytesIO(make_pdf(PageSpec(shown("kept", 20, 300)), PageSpec(shown("kept", 20, 200))))) as pdf:
        pdf.Root.Pages.Resources = pdf.make_indirect(pdf.pages[0].obj.Resources)
        for page in pdf.pages:
            del page.obj["/Resources"]
        data = saved(pdf)
    assert text_of(data) == "kept"

    pdf_data, _ = copied(data, [read(1), read(2)])

    assert sorted(text_of(pdf_data, 1)) == sorted("Lesungkept")
    assert sorted(text_of(pdf_data, 2)) == sorted("Lesungkept")
    assert pictures(pdf_data) == pictures(data)


def test_a_font_of_the_same_name_is_not_taken_over() -> None:
    print_of_it = b"".join(b"%d 316 4 8 re f\n" % x for x in range(74, 142, 8))
    once, _ = copied(make_pdf(PageSpec(print_of_it)), [read(1, "first")])
    twice, _ = copied(once, [read(1, "second")])

    assert sorted(text_of(twice)) == sorted("firstsecond")


@pytest.mark.parametrize(("mode", "kept"), [(3, ""), (0, "st1mp")])
def test_the_invisible_text_of_a_poor_earlier_reading_gives_way(mode: int, kept: str) -> None:
    picture = Image.fromarray(np.random.default_rng(4).integers(0, 256, (400, 300), np.uint8))
    content = b"q 300 0 0 400 0 0 cm /I1 Do Q\n" + shown("st1mp", 20, 380, mode=mode)
    data = make_pdf(PageSpec(content, image=picture))

    pdf, _ = copied(data, [read(1)])

    assert text_of(pdf) == "Lesung" + kept
    assert pictures(pdf) == pictures(data)


class TestEncryption:
    @staticmethod
    def locked(*, may_change: bool) -> bytes:
        allowed = pikepdf.Permissions(modify_other=may_change)
        return make_pdf(PageSpec(), encryption=pikepdf.Encryption(owner="owner", user="user", R=6, allow=allowed))

    @pytest.mark.parametrize(("password", "may_change"), [("user", True), ("owner", False), ("owner", True)])
    def test_who_may_change_it_gets_a_copy_that_is_open_and_is_told(self, password: str, may_change: bool) -> None:
        data = self.locked(may_change=may_change)

        pdf, found = copied(data, [read(1)], password)

        assert [warning.code for warning in found] == ["ENCRYPTION_REMOVED"]
        assert text_of(pdf) == "Lesung"
        assert copied(data, [read(1)], password)[0] == pdf

    def test_a_copy_that_its_author_forbids_is_not_made(self) -> None:
        with pytest.raises(CopyNotPermitted):
            copied(self.locked(may_change=False), [read(1)], "user")


def test_a_signature_that_no_longer_holds_is_said() -> None:
    with pikepdf.open(io.BytesIO(make_pdf(PageSpec()))) as pdf:
        pdf.Root.AcroForm = Dictionary(Fields=Array([]), SigFlags=3)
        data = saved(pdf)

    assert [warning.code for warning in copied(data, [read(1)])[1]] == ["SIGNATURE_INVALIDATED"]


def test_a_damaged_file_is_written_whole() -> None:
    whole = make_pdf(PageSpec(b"5 5 90 90 re f"), object_stream_mode=pikepdf.ObjectStreamMode.disable)
    data = whole.replace(b"startxref", b"startxerf")

    pdf, _ = copied(data, [read(1, origin="text_layer")])

    assert qpdf_findings(pdf) == []
    assert pictures(pdf) == pictures(whole)


def test_a_file_that_lost_its_end_is_written_whole() -> None:
    whole = make_pdf(PageSpec(b"5 5 90 90 re f"), object_stream_mode=pikepdf.ObjectStreamMode.disable)
    data = whole[: whole.rindex(b"trailer")]

    pdf, _ = copied(data, [read(1)])

    assert qpdf_findings(pdf) == []
    assert pictures(pdf) == pictures(whole)
    assert text_of(pdf) == "Lesung"


def test_objects_that_are_not_what_they_should_be_are_no_crash() -> None:
    with pikepdf.open(io.BytesIO(make_pdf(PageSpec()))) as pdf:
        pdf.pages[0].obj.Resources = Dictionary(XObject=Dictionary(X=5), Font=7)
        data = saved(pdf)
    out = io.BytesIO()

    with open_pdf(data, LIMITS) as file:
        found = write_searchable(file, data, iter([]), out, True)

    assert [(warning.code, warning.value) for warning in found] == [("PDFA_NOT_CLAIMED", "a damaged object")]
    with pytest.raises(DecodeFailed):
        copied(data, [read(1)])


def test_pages_that_are_not_clear_are_not_guessed() -> None:
    whole = make_pdf(PageSpec(), PageSpec(), object_stream_mode=pikepdf.ObjectStreamMode.disable)
    data = whole.replace(b"/Kids [ 3 0 R", b"/Kids [ 99 0 R")

    with pytest.raises(DecodeFailed):
        copied(data, [read(2)])


def test_annotations_and_outlines_are_kept() -> None:
    with pikepdf.open(io.BytesIO(make_pdf(PageSpec()))) as pdf:
        link = Dictionary(Type=Name.Annot, Subtype=Name.Link, Rect=Array([0, 0, 9, 9]))
        pdf.pages[0].obj.Annots = Array([pdf.make_indirect(link)])
        with pdf.open_outline() as outline:
            outline.root.append(pikepdf.OutlineItem("Chapter", 0))
        data = saved(pdf)

    with pikepdf.open(io.BytesIO(copied(data, [read(1)])[0])) as pdf:
        assert pdf.pages[0].obj.Annots[0].Subtype == Name.Link
        with pdf.open_outline() as outline:
            assert [item.title for item in outline.root] == ["Chapter"]


@pytest.mark.parametrize("pdfa", [False, True])
def test_a_page_that_costs_too_much_is_kept_as_it_is(pdfa: bool) -> None:
    """Packing it anew, for PDF/A, would cost it."""
    swells = zlib.compress(zlib.compress(b" " * 8_000_000, 9), 9)
    with pikepdf.open(io.BytesIO(make_pdf(PageSpec(shown("one", 20, 300)), PageSpec()))) as pdf:
        pdf.pages[1].obj.Contents = pikepdf.Stream(pdf, swells)
        pdf.pages[1].obj.Contents.stream_dict = Dictionary(Filter=Array([Name.FlateDecode] * 2))
        data = saved(pdf, stream_decode_level=pikepdf.StreamDecodeLevel.none)
    out = io.BytesIO()

    with open_pdf(data, LIMITS) as file:
        found = write_searchable(file, data, iter([read(1)]), out, pdfa=pdfa)

    assert [warning.code for warning in found] == ([WarningCode.PDFA_NOT_CLAIMED] if pdfa else [])
    with pikepdf.open(io.BytesIO(data)) as before, pikepdf.open(out) as after:
        kept = [pdf.pages[1].obj.Contents for pdf in (before, after)]
        assert kept[0].read_raw_bytes() == kept[1].read_raw_bytes()
        assert kept[0].Filter == kept[1].Filter
