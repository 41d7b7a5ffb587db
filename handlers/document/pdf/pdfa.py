"""PDF/A-2b (ISO 19005-2): what a file needs to claim it, and whether one that was made elsewhere may.

What we make ourselves conforms by construction: sRGB as the output intent, an embedded font, no transparency, nothing
that acts. A file from elsewhere is never made conformant by a claim: it may claim to be where it did so before, or
where it is a plain scan, of which everything is looked at. No validator was run on any of it in this project's tests,
which check the rules that are relied upon here.
"""

from __future__ import annotations

import functools
import struct
from xml.sax.saxutils import escape

from handlers.document.pdf.writer import PdfWriter, Reference

PRODUCER = "CoreMachine"

_D50 = (0.9642, 1.0, 0.8249)
_PRIMARIES = (
    (b"rXYZ", (0.43607, 0.22249, 0.01392)),
    (b"gXYZ", (0.38515, 0.71687, 0.09708)),
    (b"bXYZ", (0.14307, 0.06061, 0.71410)),
)
"""sRGB's (IEC 61966-2-1), adapted to D50 as profiles have it."""

_CURVE_STEPS = 1_024
_PROFILE_VERSION = 0x02100000
_PROFILE_DATE = (2000, 1, 1, 0, 0, 0)
"""A profile has to have one; ours was made at no time."""


def metadata(claimed: bool) -> bytes:
    """An XMP packet (ISO 16684-1) that names the producer, and with ``claimed`` PDF/A-2b."""
    claim = "<pdfaid:part>2</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance>" if claimed else ""
    packet = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:pdf="http://ns.adobe.com/pdf/1.3/" '
        'xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">'
        f"<pdf:Producer>{escape(PRODUCER)}</pdf:Producer>{claim}"
        "</rdf:Description></rdf:RDF></x:xmpmeta>\n"
        '<?xpacket end="w"?>'
    )
    return packet.encode()


def write_output_intent(writer: PdfWriter) -> Reference:
    """The output intent of sRGB, with its profile."""
    profile = writer.add_stream("/N 3", srgb_profile(), compress=True)
    return writer.add(
        "<< /Type /OutputIntent /S /GTS_PDFA1 /OutputConditionIdentifier (sRGB) /Info (sRGB IEC61966-2.1) "
        f"/DestOutputProfile {profile} >>"
    )


@functools.cache
def srgb_profile() -> bytes:
    """A display profile of ICC.1:2001-04 for sRGB, the same bytes each time."""
    curve = b"curv" + bytes(4) + struct.pack(f">I{_CURVE_STEPS}H", _CURVE_STEPS, *_curve())
    tags = [
        (b"desc", _description(b"sRGB")),
        (b"cprt", b"text" + bytes(4) + b"No copyright, use freely\0"),
        (b"wtpt", _xyz(_D50)),
        *((name, _xyz(value)) for name, value in _PRIMARIES),
        *((name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")),
    ]
    return _profile(tags)


def _profile(tags: list[tuple[bytes, bytes]]) -> bytes:
    """Header, table and contents; what is the same is there once (ICC.1, 7.3)."""
    places: dict[bytes, int] = {}
    body = b""
    start = 128 + 4 + 12 * len(tags)
    for _, content in tags:
        if content not in places:
            places[content] = start + len(body)
            body += content + bytes(-len(content) % 4)
    table = struct.pack(">I", len(tags))
    table += b"".join(struct.pack(">4sII", name, places[content], len(content)) for name, content in tags)
    head = struct.pack(
        ">II I 4s4s4s 6H 4s 28x 12s 48x",
        start + len(body),
        0,
        _PROFILE_VERSION,
        b"mntr",
        b"RGB ",
        b"XYZ ",
        *_PROFILE_DATE,
        b"acsp",
        b"".join(map(_fixed, _D50)),
    )
    return head + table + body


def _curve() -> list[int]:
    """sRGB's transfer function at even steps, to 16 bits."""
    steps = (step / (_CURVE_STEPS - 1) for step in range(_CURVE_STEPS))
    return [round(65_535 * (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4)) for v in steps]


def _description(name: bytes) -> bytes:
    """A textDescriptionType without its parts in Unicode and for the Macintosh (ICC.1:2001-04, 6.5.17)."""
    return b"desc" + bytes(4) + struct.pack(">I", len(name) + 1) + name + b"\0" + bytes(4 + 4 + 2 + 1 + 67)


def _xyz(value: tuple[float, float, float]) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(map(_fixed, value))


def _fixed(value: float) -> bytes:
    """An s15Fixed16Number."""
    return struct.pack(">i", round(value * 65_536))
