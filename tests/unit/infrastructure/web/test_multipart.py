"""The file of a multipart body, however its bytes are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.web.errors import MalformedMultipart
from infrastructure.web.multipart import FilePart

TYPE = "multipart/form-data; boundary=b0undary"


def body(
    content: bytes = b"data", *, disposition: str = 'form-data; name="file"; filename="a.png"', more: str = ""
) -> bytes:
    return (
        f"--b0undary\r\nContent-Disposition: {disposition}\r\n{more}\r\n".encode() + content + b"\r\n--b0undary--\r\n"
    )


def read(*pieces: bytes, content_type: str = TYPE) -> tuple[bytes, str | None]:
    part = FilePart(content_type)
    found = b"".join(part.feed(piece) for piece in pieces)
    part.finish()
    return found, part.filename


@given(content=st.binary(max_size=200), cuts=st.lists(st.integers(0, 400), max_size=8))
def test_the_file_is_the_same_however_the_body_is_cut(content: bytes, cuts: list[int]) -> None:
    whole = body(content)
    edges = sorted({0, len(whole), *(min(cut, len(whole)) for cut in cuts)})

    pieces = [whole[start:end] for start, end in pairwise(edges)]

    assert read(*pieces) == (content, "a.png")


def test_byte_by_byte() -> None:
    content = b"\r\n--b0undar\r\n--\x00\xff"
    whole = body(content)

    assert read(*[whole[n : n + 1] for n in range(len(whole))]) == (content, "a.png")


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    try:
        read(b"--b0undary\r\n" + data)
    except MalformedMultipart:
        return


@pytest.mark.parametrize(
    "whole",
    [
        b"",
        b"nothing of the kind",
        b"--b0undary--\r\n",
        body()[:-6],
        body(disposition='form-data; name="document"; filename="a"'),
        body(disposition="form-data"),
        body(disposition='form-data; name="file"; filename="a/b"'),
        body(disposition='form-data; name="file"; filename="a\x01b"'),
        body(disposition='form-data; name="file"; filename="' + "x" * 256 + '"'),
        body(more="Content-Transfer-Encoding: base64\r\n"),
        body(more="".join(f"X-{n}: 1\r\n" for n in range(50))),
        body(more=f"X-Long: {'x' * 10_000}\r\n"),
        body(b'a\r\n--b0undary\r\nContent-Disposition: form-data; name="file"\r\n\r\nb'),
        body(b'a\r\n--b0undary\r\nContent-Disposition: form-data; name="tenant"\r\n\r\nb'),
    ],
    ids=range(14),
)
def test_a_body_that_is_not_one_file_is_refused(whole: bytes) -> None:
    with pytest.raises(MalformedMultipart):
        read(whole)


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "x" * 71],
)
def test_a_content_type_without_a_boundary_is_refused(content_type: str) -> None:
    with pytest.raises(MalformedMultipart):
        FilePart(content_type)


def test_a_file_may_be_without_a_name_and_the_boundary_in_quotes() -> None:
    whole = body(disposition='form-data; name="file"')

    assert read(whole, content_type='Multipart/Form-Data; charset=utf-8; boundary="b0undary"') == (b"data", None)


def test_a_line_break_in_a_name_ends_the_name() -> None:
    whole = body(disposition='form-data; name="file"; filename="a\r\nX-Injected: 1"')

    assert read(whole) == (b"data", '"a')
