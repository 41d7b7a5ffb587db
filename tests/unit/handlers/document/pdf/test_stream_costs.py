from __future__ import annotations

import base64
import random
import re
import zlib
from collections.abc import Sequence
from typing import Any

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name

from handlers.document.errors import DecodeTooCostly
from handlers.document.limits import DocumentLimits
from handlers.document.pdf import stream_costs
from handlers.document.pdf.file import open_pdf
from handlers.document.pdf.stream_costs import Look, look_at_streams
from handlers.document.pdf.stream_filters import StreamBroken, undone
from tests.support.pdfs import PageSpec, make_pdf, saved, shown

LIMITS = DocumentLimits()
FREE = 200_000
BOMB = b" " * (FREE + 50_000)


@pytest.fixture(autouse=True)
def small_bombs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_costs, "FREE_BYTES", FREE)


def runs(data: bytes) -> bytes:
    """Of one octet many times over."""
    whole, left = divmod(len(data), 128)
    assert left != 1
    return bytes((129, data[0])) * whole + (bytes((257 - left, data[0])) if left else b"") + b"\x80"


def lzw(data: bytes, early: int = 1) -> bytes:
    """An encoder as the standard describes it (ISO 32000-1, 7.4.4.2)."""
    bits: list[str] = []
    table: dict[bytes, int] = {}
    size, held = 9, b""

    def put(code: int) -> None:
        bits.append(f"{code:0{size}b}")

    put(256)
    for octet in data:
        longer = held + bytes((octet,))
        if len(longer) == 1 or longer in table:
            held = longer
            continue
        put(table.get(held, held[0]))
        table[longer] = 258 + len(table)
        if 258 + len(table) + early > 1 << size:
            size += 1
        held = longer[-1:]
        if len(table) == 4_096 - 258 - 2:
            put(256)
            table, size = {}, 9
    if held:
        put(table.get(held, held[0]))
    put(257)
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def packed(data: bytes, name: str) -> bytes:
    match name:
        case "FlateDecode":
            return zlib.compress(data, 9)
        case "LZWDecode":
            return lzw(data)
        case "RunLengthDecode":
            return runs(data)
        case "ASCII85Decode":
            return base64.a85encode(data, wrapcol=70) + b"~>"
        case _:
            return data.hex().encode() + b">"


def stream_pdf(body: bytes, filters: Sequence[str], image: bool = False, **entries: Any) -> bytes:
    with pikepdf.new() as pdf:
        page = pdf.add_blank_page(page_size=(200, 200))
        stream = pikepdf.Stream(pdf, body)
        stream.stream_dict = Dictionary(Filter=Array([Name("/" + name) for name in filters]), **entries)
        if image:
            stream.Type, stream.Subtype = Name.XObject, Name.Image
            page.obj.Resources = Dictionary(XObject=Dictionary(I=pdf.make_indirect(stream)))
            page.obj.Contents = pdf.make_stream(b"/I Do")
        else:
            page.obj.Contents = stream
        return saved(pdf, compress_streams=False, object_stream_mode=pikepdf.ObjectStreamMode.disable)


@pytest.mark.parametrize(
    "filters",
    [
        ["FlateDecode"],
        ["FlateDecode", "FlateDecode"],
        ["ASCII85Decode", "FlateDecode"],
        ["ASCIIHexDecode", "FlateDecode", "FlateDecode"],
        ["FlateDecode", "RunLengthDecode"],
        ["LZWDecode"],
        ["FlateDecode", "LZWDecode"],
        ["Fl", "FlateDecode"],
    ],
)
def test_a_stream_that_swells_is_refused_before_pdfium_sees_it(filters: list[str]) -> None:
    body = BOMB
    for name in reversed(filters):
        body = packed(body, "FlateDecode" if name == "Fl" else name)

    with open_pdf(stream_pdf(body, filters), LIMITS) as file, pytest.raises(DecodeTooCostly):
        file.pixels(1)


@pytest.mark.parametrize("name", ["FlateDecode", "LZWDecode", "ASCII85Decode", "ASCIIHexDecode"])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 511, 70_000])
def test_what_a_filter_packs_is_unpacked(name: str, size: int) -> None:
    draw = random.Random(size)
    data = bytes(draw.choice(b"abc \0\xff") for _ in range(size))
    body = packed(data, name)
    kind = {"FlateDecode": "flate", "LZWDecode": "lzw", "ASCII85Decode": "ascii85", "ASCIIHexDecode": "hex"}[name]

    for piece in (3, 1_000, 1 << 20):
        pieces = (body[at : at + piece] for at in range(0, len(body), piece))
        assert b"".join(undone(pieces, kind)) == data


def test_widths_of_lzw_codes_change_late_where_the_stream_says_so() -> None:
    data = bytes(random.Random(1).choice(b"abcdef") for _ in range(20_000))

    assert b"".join(undone([lzw(data, early=0)], "lzw", early_change=False)) == data


@pytest.mark.parametrize("body", [b"", zlib.compress(b"text" * 100)[:-9], b"no zlib at all"])
def test_a_stream_that_ends_early_is_broken(body: bytes) -> None:
    with pytest.raises(StreamBroken):
        list(undone([body], "flate"))


def test_a_wrong_sum_at_the_end_breaks_nothing() -> None:
    assert b"".join(undone([zlib.compress(b"text")[:-4] + b"\n\n\n\n"], "flate"))[:4] in (b"text", b"")


def test_large_streams_of_print_are_read() -> None:
    draw = random.Random(3)
    lines = [b"%.2f %.2f m %.2f %.2f l S\n" % tuple(draw.random() * 200 for _ in range(4)) for _ in range(5_000)]
    content = b"".join(lines * 3)

    look = look_at_streams(stream_pdf(zlib.compress(content, 1), ["FlateDecode"]), LIMITS)

    assert not look.cut
    limits = DocumentLimits(max_stream_bytes=len(content) - 1)
    assert look_at_streams(stream_pdf(zlib.compress(content, 1), ["FlateDecode"]), limits).costly


def test_the_filters_may_be_behind_references_and_names_may_be_spelled_out() -> None:
    data = stream_pdf(zlib.compress(BOMB, 9), ["FlateDecode"])
    behind = data.replace(b"/Filter [ /FlateDecode ]", b"/Filter 77 0 R") + b"\n77 0 obj\n[ /Fl#61teDecode ]\nendobj\n"
    assert behind.count(b"77 0") == 2

    assert look_at_streams(behind, LIMITS).costly


def test_a_lying_length_and_a_table_of_objects_that_leads_elsewhere_hide_nothing() -> None:
    data = stream_pdf(zlib.compress(BOMB, 9), ["FlateDecode"])
    lying = re.sub(rb"/Length \d+", b"/Length 3", data)
    inside = make_pdf(PageSpec(shown("x", 9, 9))) + b"1 0 obj << /Length 99999 >>\nstream\n" + lying + b"\nendstream"

    for one in (lying, inside):
        assert look_at_streams(one, LIMITS).costly


def test_an_encrypted_stream_is_looked_at_too() -> None:
    with pikepdf.new() as pdf:
        page = pdf.add_blank_page(page_size=(200, 200))
        page.obj.Contents = pikepdf.Stream(pdf, zlib.compress(zlib.compress(BOMB, 9), 9))
        page.obj.Contents.stream_dict = Dictionary(Filter=Array([Name.FlateDecode] * 2))
        data = saved(pdf, compress_streams=False, encryption=pikepdf.Encryption(owner="o", user="u", R=6))

    with open_pdf(data, LIMITS, "u") as file, pytest.raises(DecodeTooCostly):
        file.pixels(1)


@pytest.mark.parametrize("objects", [True, False])
def test_contents_count_as_often_as_a_page_names_them(objects: bool) -> None:
    with pikepdf.new() as pdf:
        page = pdf.add_blank_page(page_size=(200, 200))
        content = pdf.make_indirect(pikepdf.Stream(pdf, b"q Q " * 400_000))
        page.obj.Contents = Array([content] * 100)
        mode = pikepdf.ObjectStreamMode.generate if objects else pikepdf.ObjectStreamMode.disable
        data = saved(pdf, object_stream_mode=mode)

    with open_pdf(data, LIMITS) as file, pytest.raises(DecodeTooCostly):
        file.pixels(1)


@pytest.mark.parametrize(
    ("filters", "side", "refused"),
    [
        (["FlateDecode"], 32_000, True),
        (["CCITTFaxDecode"], 32_000, True),
        (["JPXDecode"], 32_000, True),
        (["FlateDecode"], 1_000, False),
    ],
)
def test_a_picture_that_is_large_out_of_proportion(filters: list[str], side: int, refused: bool) -> None:
    entries = {"Width": side, "Height": side, "BitsPerComponent": 1, "ColorSpace": Name.DeviceGray}
    data = stream_pdf(bytes(100_000), filters, image=True, **entries)

    look = look_at_streams(data, LIMITS)

    assert bool(look.costly) == refused
    assert look.cut == frozenset()


def test_a_picture_inside_the_contents() -> None:
    content = b"q BI /W 30000 /H 30000 /BPC 1 /CS /G /F /Fl ID " + random.Random(1).randbytes(9_000) + b" EI Q"

    assert look_at_streams(stream_pdf(zlib.compress(content), ["FlateDecode"]), LIMITS).costly


def test_too_many_filters_and_streams() -> None:
    assert look_at_streams(stream_pdf(b"x", ["ASCIIHexDecode"] * 9), LIMITS).costly
    with pytest.raises(DecodeTooCostly):
        look_at_streams(make_pdf(*[PageSpec()] * 12), DocumentLimits(max_parts=1))


def test_what_is_cut_off_is_known_by_its_number() -> None:
    data = stream_pdf(b"0 0 9 9 re f " * 9, [])
    at = data.index(b"0 0 9 9 re f")

    look: Look = look_at_streams(data[: at + 20], LIMITS)

    assert len(look.cut) == 1
    assert look.cut <= look.numbers
