"""A PDF file written from front to back, object by object: nothing that was written is kept but where it is."""

from __future__ import annotations

import hashlib
import zlib
from typing import BinaryIO, NewType

Reference = NewType("Reference", str)
"""An object's number and generation as a PDF has them: ``12 0 R``."""

_HEADER = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
"""The second line says that the file is binary (ISO 32000-1, 7.5.2; PDF/A asks for four bytes over 127)."""

_LEVEL = 6


class PdfWriter:
    """Writes to ``out``, which needs no position. The same calls write the same bytes."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._written = 0
        self._offsets: dict[int, int] = {}
        self._count = 0
        self._digest = hashlib.sha256()
        self._write(_HEADER)

    def reserve(self) -> Reference:
        """A reference whose object is written later."""
        self._count += 1
        return Reference(f"{self._count} 0 R")

    def add(self, body: str, number: Reference | None = None) -> Reference:
        """Write an object in PDF's syntax, under a reference that was reserved or a new one."""
        reference = number or self.reserve()
        self._begin(reference)
        self._write(body.encode("latin-1") + b"\nendobj\n")
        return reference

    def add_stream(
        self, entries: str, data: bytes, *, compress: bool = False, number: Reference | None = None
    ) -> Reference:
        """Write a stream; ``entries`` are those of its dictionary besides the length, and the filter if
        ``compress`` is set."""
        if compress:
            data = zlib.compress(data, _LEVEL)
            entries = f"/Filter /FlateDecode {entries}"
        reference = number or self.reserve()
        self._begin(reference)
        self._write(f"<< {entries} /Length {len(data)} >>\nstream\n".encode("latin-1"))
        self._write(data)
        self._write(b"\nendstream\nendobj\n")
        return reference

    def finish(self, catalog: Reference, info: Reference | None = None) -> None:
        """Write the table of objects and the trailer. The file's id is made of what was written."""
        start = self._written
        identifier = self._digest.hexdigest()[:32].upper()
        self._write(f"xref\n0 {self._count + 1}\n0000000000 65535 f \n".encode("ascii"))
        for number in range(1, self._count + 1):
            self._write(f"{self._offsets[number]:010d} 00000 n \n".encode("ascii"))
        about = f" /Info {info}" if info else ""
        self._write(
            f"trailer\n<< /Size {self._count + 1} /Root {catalog}{about} /ID [<{identifier}> <{identifier}>] >>\n"
            f"startxref\n{start}\n%%EOF\n".encode("ascii")
        )

    def _begin(self, reference: Reference) -> None:
        number = int(reference.split()[0])
        self._offsets[number] = self._written
        self._write(f"{number} 0 obj\n".encode("ascii"))

    def _write(self, data: bytes) -> None:
        self._out.write(data)
        self._digest.update(data)
        self._written += len(data)
