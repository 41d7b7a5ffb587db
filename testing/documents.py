"""Sample documents with known text, and hostile ones: the same bytes for the same seed and Pillow."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

_FIRMS = ("Harbour Lane Printers", "Willow & Stone", "Northgate Archive", "Mill Road Bindery", "Fenwick Supplies")
_PLACES = (
    "12 Quay Street, Port Ellery",
    "48 Orchard Row, Tamsford",
    "7 Bell Court, Upper Marle",
    "301 Ridge Way, Aldham",
)
_PEOPLE = ("Ada Brook", "Tomas Vale", "Ines Corran", "Peter Lund", "Miriam Okafor", "Joan Teller")
_MONTHS = ("January", "March", "April", "June", "September", "November")
_GOODS = (
    "archive boxes",
    "rag paper, ream",
    "linen thread",
    "label sheets",
    "cotton gloves",
    "scanner glass",
    "wax seals",
)
_SENTENCES = (
    "Thank you for the documents that reached us on Monday.",
    "Every page was scanned twice, and both copies were compared.",
    "Three sheets were stuck together, so we separated them by hand.",
    "The ink on page forty has faded, but the text can still be read.",
    "We keep the originals until you confirm that nothing is missing.",
    "Please check the dates in the second folder against your register.",
    "A stamp covers part of the signature; we left it as it was.",
    "If a page looks wrong to you, send us its number and we will repeat it.",
    "The boxes are numbered from left to right, starting at the window.",
    "Payment is due within thirty days of the date at the top of this letter.",
)
_WIDTH, _HEIGHT, _MARGIN = 1240, 1754, 120
_SIZE, _LEADING = 27, 44


@dataclass(frozen=True, slots=True)
class SamplePage:
    """A page of 1240x1754 pixels, A4 at 150 dpi. ``text`` is what is printed on it, one line of print a line."""

    image: Image.Image
    text: str

    @property
    def png(self) -> bytes:
        return _encoded(self.image, "PNG")

    @property
    def jpeg(self) -> bytes:
        return _encoded(self.image, "JPEG", quality=92)


@dataclass(frozen=True, slots=True)
class _Print:
    """A piece of text at ``x`` pixels from the left, or with its right edge there, ``size`` pixels high."""

    text: str
    x: int = _MARGIN
    size: int = _SIZE
    flush_right: bool = False


def sample_page(seed: int = 0) -> SamplePage:
    """A letter with an invoice in it, black on white."""
    image = Image.new("L", (_WIDTH, _HEIGHT), 255)
    draw = ImageDraw.Draw(image)
    rows = list(_letter(random.Random(seed)))
    y = _MARGIN
    for row in rows:
        for piece in row:
            font = ImageFont.load_default(size=piece.size)
            draw.text((piece.x, y), piece.text, fill=0, font=font, anchor="ra" if piece.flush_right else "la")
        y += max((piece.size for piece in row), default=_SIZE) + _LEADING - _SIZE
    return SamplePage(image, "\n".join(" ".join(piece.text for piece in row) for row in rows if row))


def sample_tiff(seed: int = 0, pages: int = 3) -> tuple[bytes, list[str]]:
    """A TIFF of several sample pages, and their texts."""
    made = [sample_page(seed + number) for number in range(pages)]
    return tiff_of([page.image for page in made]), [page.text for page in made]


def tiff_of(images: Sequence[Image.Image]) -> bytes:
    first, *rest = images
    return _encoded(first, "TIFF", save_all=True, append_images=rest, compression="tiff_deflate")


def bomb_png(side: int = 32_000) -> bytes:
    """A valid, black, 1-bit PNG of ``side`` pixels square: 124 KB that decode to a gigabyte and more."""
    row = bytes(1 + (side + 7) // 8)
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    return _png(side, side, bit_depth=1, colour_type=0, body=body)


def lying_png(width: int = 4_000, height: int = 4_000) -> bytes:
    """A PNG whose header promises ``height`` rows, and whose data has ten."""
    return _png(width, height, bit_depth=8, colour_type=0, body=zlib.compress(bytes(1 + width) * 10))


def swollen_png(megabytes: int) -> bytes:
    """A PNG of 8x8 pixels with ``megabytes`` MiB of data behind its last row: a thousandth of that as it is stored."""
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(bytes(2**20)) for _ in range(megabytes)) + packer.flush()
    return _png(8, 8, bit_depth=8, colour_type=0, body=body)


def jpeg_of_scans(scans: int, side: int = 8) -> bytes:
    """A progressive JPEG, grey, ``side`` pixels square, whose last scan is repeated until it has ``scans``."""
    whole = _encoded(Image.new("L", (side, side), 255), "JPEG", progressive=True)
    last = whole.rindex(b"\xff\xda")
    head, scan, end = whole[:last], whole[last:-2], whole[-2:]
    return head + scan * (scans - head.count(b"\xff\xda")) + end


def truncated(data: bytes, share: float = 0.5) -> bytes:
    """The first part of ``data``."""
    return data[: int(len(data) * share)]


def looping_tiff() -> bytes:
    """A TIFF of one page whose chain of directories comes back to that page."""
    data = bytearray(_encoded(Image.new("L", (8, 8), 255), "TIFF"))
    (directory,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, directory)
    struct.pack_into("<I", data, directory + 2 + 12 * entries, directory)
    return bytes(data)


def _letter(draw: random.Random) -> Iterator[list[_Print]]:
    """The letter's rows, each its pieces from left to right; an empty row is a gap."""
    yield [_Print(draw.choice(_FIRMS), size=44)]
    yield [_Print(draw.choice(_PLACES))]
    yield []
    date = f"{draw.randint(1, 28)} {draw.choice(_MONTHS)} {draw.randint(2019, 2029)}"
    yield [_Print(f"Invoice {draw.randint(10_000, 99_999)}"), _Print(date, _WIDTH - _MARGIN, flush_right=True)]
    yield []
    yield [_Print(f"Dear {draw.choice(_PEOPLE)},")]
    yield []
    for sentence in draw.sample(_SENTENCES, 6):
        yield [_Print(sentence)]
    yield []
    total = 0
    for goods in draw.sample(_GOODS, 4):
        cents = draw.randint(250, 24_900)
        total += cents
        yield [_Print(f"{draw.randint(2, 40)} x {goods}"), _Print(_money(cents), _WIDTH - _MARGIN, flush_right=True)]
    yield [_Print("Total"), _Print(_money(total), _WIDTH - _MARGIN, flush_right=True)]
    yield []
    yield [_Print("With kind regards,")]
    yield [_Print(draw.choice(_PEOPLE))]


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _encoded(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def _png(width: int, height: int, bit_depth: int, colour_type: int, body: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
