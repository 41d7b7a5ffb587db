"""The one file of a multipart body, as it arrives (RFC 7578)."""

from __future__ import annotations

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from infrastructure.web.errors import MalformedMultipart
from infrastructure.web.query import FILENAME

FIELD = "file"

OVERHEAD_BYTES = 64 * 1024
"""What a body may have beside the document: boundaries, headers of the part, what stands before and after it."""

MAX_BOUNDARY = 70
"""RFC 2046, 5.1.1."""


class FilePart:
    """:meth:`feed` gives the file's bytes among those that it takes. Nothing is kept.

    Raises :class:`MalformedMultipart`, also for a part of another name and for a second one.
    """

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not 1 <= len(boundary) <= MAX_BOUNDARY:
            raise MalformedMultipart("the content type has no boundary of 1 to 70 characters")
        self._found = bytearray()
        self._header_name = b""
        self._header_value = b""
        self._headers: dict[bytes, bytes] = {}
        self._parts = 0
        self._ended = False
        self.filename: str | None = None
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_end": self._on_end,
            },
        )

    def feed(self, data: bytes) -> bytes:
        self._found.clear()
        try:
            self._parser.write(data)
        except MultipartParseError as error:
            raise MalformedMultipart("the body is not multipart/form-data with this boundary") from error
        return bytes(self._found)

    def finish(self) -> None:
        """Raises :class:`MalformedMultipart` unless the last boundary has been seen, and the file before it."""
        if not self._ended:
            raise MalformedMultipart("the body ends before its last boundary")
        if not self._parts:
            raise MalformedMultipart(f"there is no part named {FIELD}")

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > 1:
            raise MalformedMultipart(f"one part is taken, named {FIELD}; parameters belong into the query")
        self._headers.clear()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _on_headers_finished(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"").decode("latin-1")
        _, options = parse_options_header(disposition)
        if options.get(b"name") != FIELD.encode():
            raise MalformedMultipart(f"the part is not named {FIELD}")
        encoding = self._headers.get(b"content-transfer-encoding", b"binary").strip().lower()
        if encoding not in (b"binary", b"7bit", b"8bit"):
            raise MalformedMultipart("the part is encoded; send its bytes as they are")
        self.filename = _checked(options.get(b"filename", b"").decode(errors="replace"))

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._found += data[start:end]

    def _on_end(self) -> None:
        self._ended = True


def _checked(filename: str) -> str | None:
    if filename and not FILENAME.fullmatch(filename):
        raise MalformedMultipart("the file's name is 1 to 255 characters without control characters and slashes")
    return filename or None
