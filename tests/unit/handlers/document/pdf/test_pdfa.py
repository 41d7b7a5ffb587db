"""PDF/A-2b by the rules that are relied upon. No validator is at hand: veraPDF needs Java, and was not run."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pikepdf
import pytest
from fontTools.ttLib import TTFont
from pikepdf import Array, Dictionary, Name
from PIL import Image, ImageCms

from handlers.document.files import open_document
from handlers.document.limits import DocumentLimits
from handlers.document.pdf.glyphless import font_program
from handlers.document.pdf.pdfa import srgb_profile
from handlers.document.pdf.searchable import write_searchable
from handlers.document.warnings import PageWarning
from tests.support.pdfs import PageSpec, characters, make_pdf, make_record, qpdf_findings, saved, shown

LIMITS = DocumentLimits()
SCAN = PageSpec(b"q 300 0 0 400 0 0 cm /I1 Do Q", image=Image.linear_gradient("L"))
CLAIM = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/" pdfaid:part="%d" pdfaid:conformance="A"/></rdf:RDF></x:xmpmeta>'
    b'<?xpacket end="w"?>'
)


def archived(data: bytes) -> tuple[bytes, tuple[PageWarning, ...]]:
    out = io.BytesIO()
    with open_document(data, LIMITS) as file:
        (size,) = file.info.pages
        words = [[("नमस्ते😀", [0.1, 0.1, 1, 0.1, 1, 0.3, 0.1, 0.3])]]
        record = make_record(1, size.width, size.height, size.unit, words)
        found = write_searchable(file, data, iter([record]), out, True)
    return out.getvalue(), found


def picture() -> bytes:
    stream = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture(params=["image", "scan"])
def made(request: pytest.FixtureRequest) -> bytes:
    pdf, found = archived(picture() if request.param == "image" else make_pdf(SCAN))
    assert found == ()
    return pdf


def test_the_file_claims_part_2_and_level_b_in_plain_sight(made: bytes) -> None:
    with pikepdf.open(io.BytesIO(made)) as pdf:
        packet = pdf.Root.Metadata
        assert "/Filter" not in packet
        assert (packet.Type, packet.Subtype) == (Name.Metadata, Name.XML)
        with pdf.open_metadata() as metadata:
            assert metadata.pdfa_status == "2B"
        assert packet.read_bytes() in made


def test_the_file_has_an_id_and_is_not_encrypted(made: bytes) -> None:
    with pikepdf.open(io.BytesIO(made)) as pdf:
        assert len(pdf.trailer.ID) == 2
        assert not pdf.is_encrypted
    assert re.match(rb"%PDF-1\.[4-7]\n%[\x80-\xff]{4}", made)
    assert qpdf_findings(made) == []


def test_colours_are_those_of_srgb(made: bytes) -> None:
    with pikepdf.open(io.BytesIO(made)) as pdf:
        (intent,) = pdf.Root.OutputIntents
        assert intent.S == Name.GTS_PDFA1
        assert intent.DestOutputProfile.N == 3
        assert intent.DestOutputProfile.read_bytes() == srgb_profile()
        space = pdf.pages[0].resources.XObject.values()
        assert {str(image.ColorSpace) for image in space} <= {"/DeviceRGB", "/DeviceGray"}


def test_the_profile_is_one_of_srgb() -> None:
    ours = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
    theirs = ImageCms.createProfile("sRGB")
    colours = Image.effect_mandelbrot((64, 64), (-2, -1.5, 1, 1.5), 50).convert("RGB")

    through = ImageCms.profileToProfile(colours, ours, theirs)

    assert (ours.profile.profile_description or "").startswith("sRGB")
    assert through is not None
    differences = [abs(a - b) for a, b in zip(colours.tobytes(), through.tobytes(), strict=True)]
    assert max(differences) <= 1


def test_the_font_is_embedded_and_its_widths_are_those_that_are_said(made: bytes) -> None:
    with pikepdf.open(io.BytesIO(made)) as pdf:
        fonts = [font for _, font in pdf.pages[0].resources.Font.items() if font.BaseFont == "/Glyphless"]
        (font,) = fonts
        (descendant,) = font.DescendantFonts
        program = descendant.FontDescriptor.FontFile2.read_bytes()
        glyphs = descendant.CIDToGIDMap.read_bytes()
        assert (font.Encoding, descendant.Subtype) == (Name("/Identity-H"), Name.CIDFontType2)
        assert descendant.FontDescriptor.FontFile2.Length1 == len(program)
        assert "/CIDSet" not in descendant.FontDescriptor
    opened = TTFont(io.BytesIO(program))
    # No glyph of a text may be .notdef, which is the first; all others have the width of the dictionary's /DW.
    assert set(zip(glyphs[::2], glyphs[1::2], strict=True)) == {(0, 1)}
    assert opened["hmtx"][opened.getGlyphOrder()[1]][0] * 1_000 / opened["head"].unitsPerEm == int(descendant.DW)
    assert {found.text for found in characters(made)} == set("नमस्ते😀")


def test_the_font_is_the_same_each_time() -> None:
    before = font_program()
    font_program.cache_clear()
    assert font_program() == before


def change(data: bytes, changed: Callable[[pikepdf.Pdf], object]) -> bytes:
    with pikepdf.open(io.BytesIO(data)) as pdf:
        changed(pdf)
        return saved(pdf)


def with_image(**entries: object) -> Callable[[pikepdf.Pdf], object]:
    def changed(pdf: pikepdf.Pdf) -> None:
        for key, value in entries.items():
            pdf.pages[0].resources.XObject.I1[f"/{key}"] = value

    return changed


def with_content(operators: bytes) -> Callable[[pikepdf.Pdf], object]:
    return lambda pdf: pdf.pages[0].contents_add(operators)


def put(target: Callable[[pikepdf.Pdf], pikepdf.Object], key: str, value: object) -> Callable[[pikepdf.Pdf], object]:
    return lambda pdf: target(pdf).__setitem__(key, value)


def root(pdf: pikepdf.Pdf) -> pikepdf.Object:
    return pdf.Root


def page(pdf: pikepdf.Pdf) -> pikepdf.Object:
    return pdf.pages[0].obj


@pytest.mark.parametrize(
    "changed",
    [
        with_image(ColorSpace=Name.DeviceCMYK),
        with_image(Interpolate=True),
        with_image(Filter=Name.JPXDecode),
        with_image(OPI=Dictionary()),
        with_content(b"0 0 0 1 k"),
        with_content(b"/Sh0 sh"),
        with_content(b"/Perceptual ri"),
        with_content(b"q " * 30),
        with_content(b"Q Q"),
        put(root, "/OpenAction", Dictionary(S=Name.JavaScript, JS="app.alert(1)")),
        put(root, "/AcroForm", Dictionary(Fields=Array([]))),
        put(root, "/Names", Dictionary()),
        put(page, "/AA", Dictionary()),
        put(page, "/Annots", Array([])),
        put(page, "/Group", Dictionary(S=Name.Transparency)),
        put(page, "/MediaBox", Array([0, 0, 20_000, 20_000])),
        lambda pdf: pdf.pages[0].add_resource(Dictionary(BM=Name.Multiply), Name.ExtGState),
        lambda pdf: pdf.pages[0].add_resource(Array([Name.Separation, Name.X]), Name.ColorSpace),
        lambda pdf: pdf.pages[0].add_resource(Dictionary(Type=Name.Font, BaseFont=Name.Arial), Name.Font),
    ],
)
def test_what_is_not_known_to_conform_is_not_claimed(changed: Callable[[pikepdf.Pdf], object]) -> None:
    pdf, found = archived(change(make_pdf(SCAN), changed))

    assert [warning.code for warning in found] == ["PDFA_NOT_CLAIMED"]
    assert found[0].value
    assert b"pdfaid" not in pdf


def test_a_document_with_fonts_does_not_claim_it() -> None:
    _, found = archived(make_pdf(PageSpec(shown("text", 20, 300))))

    assert [(warning.code, warning.value) for warning in found] == [("PDFA_NOT_CLAIMED", "a font")]


@pytest.mark.parametrize(("part", "warned"), [(2, False), (1, True), (3, True)])
def test_a_document_that_claims_part_2_still_does_without_its_level(part: int, warned: bool) -> None:
    def claims(pdf: pikepdf.Pdf) -> None:
        stream = pdf.make_stream(CLAIM % part)
        stream.Type, stream.Subtype = Name.Metadata, Name.XML
        pdf.Root.Metadata = stream

    pdf, found = archived(change(make_pdf(PageSpec(shown("text", 20, 300))), claims))

    assert bool(found) == warned
    with pikepdf.open(io.BytesIO(pdf)) as opened, opened.open_metadata() as metadata:
        assert metadata.pdfa_status == f"{part}B"


def test_what_a_scan_says_of_itself_is_in_its_metadata_too() -> None:
    def titled(pdf: pikepdf.Pdf) -> None:
        pdf.docinfo["/Title"] = "Ledger"
        pdf.docinfo["/Producer"] = "Scanner"

    pdf, _ = archived(change(make_pdf(SCAN), titled))

    with pikepdf.open(io.BytesIO(pdf)) as opened, opened.open_metadata() as metadata:
        assert (metadata["dc:title"], metadata["pdf:Producer"]) == ("Ledger", "Scanner")
