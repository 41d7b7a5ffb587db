from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.boundary import guarded
from core.context import StopSignal
from core.outcome import Failed
from docker_worker.once.payload import (
    DocumentPayload,
    OnceInterrupted,
    Payload,
    parse_payload,
    read_payload,
)
from handlers.portal.errors import PayloadInvalid, PayloadMissing


@contextmanager
def piped(content: bytes) -> Iterator[int]:
    """A descriptor that gives ``content``, and then its end."""
    out, into = os.pipe()

    def write() -> None:
        with os.fdopen(into, "wb") as end:
            try:
                end.write(content)
                end.flush()
            except BrokenPipeError:
                end.detach()

    writer = Thread(target=write)
    writer.start()
    try:
        yield out
    finally:
        os.close(out)
        writer.join(30)


@pytest.mark.parametrize("size", [0, 1, 70_000])
def test_all_of_the_input_is_read(size: int) -> None:
    content = b"x" * size
    with piped(content) as descriptor:
        assert read_payload(descriptor, StopSignal()) == content


def test_of_too_much_no_more_is_read_than_shows_it() -> None:
    with piped(b"x" * 40_000) as descriptor:
        with pytest.raises(PayloadInvalid) as refused:
            read_payload(descriptor, StopSignal(), limit=100)
        left = os.read(descriptor, 50_000)

    assert refused.value.details == {"limit": 100}
    assert left


def test_what_is_no_file_to_read_is_told(tmp_path: object) -> None:
    descriptor = os.open(str(tmp_path), os.O_RDONLY)
    try:
        with pytest.raises(PayloadMissing, match="cannot be read"):
            read_payload(descriptor, StopSignal())
    finally:
        os.close(descriptor)


def test_who_waits_for_input_may_be_told_to_end() -> None:
    stop = StopSignal()
    stop.set("shutdown")
    out, into = os.pipe()
    try:
        with pytest.raises(OnceInterrupted):
            read_payload(out, stop)
    finally:
        os.close(out)
        os.close(into)


@pytest.mark.parametrize("content", [b"", b" ", b"\r\n\t "])
def test_no_input_is_told_from_a_wrong_one(content: bytes) -> None:
    with pytest.raises(PayloadMissing):
        parse_payload(content)


def test_an_object_that_names_no_task_is_a_documents() -> None:
    assert parse_payload(b'{"job_id": 1}') == DocumentPayload({"job_id": 1})


def test_a_payload() -> None:
    content = '{"task_type": "t", "params": {"n": [1, 2.5, null, "é😀"]}, "job_type": "j"}'.encode()

    assert parse_payload(content) == Payload(task_type="t", params={"n": [1, 2.5, None, "é😀"]}, job_type="j")
    assert parse_payload(b'{"task_type": "t"}') == Payload(task_type="t")


@pytest.mark.parametrize(
    "content",
    [
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"task_type": ""}',
        b'{"task_type": 1}',
        b'{"task_type": null}',
        b'{"task_type": "t", "params": []}',
        b'{"task_type": "t", "params": null}',
        b'{"task_type": "t", "job_type": 1}',
        b'{"task_type": "t", "more": 1}',
        b'{"task_type": "' + b"t" * 65 + b'"}',
        b'{"task_type": "t"',
        b'{"task_type": "t"}{"task_type": "t"}',
        b'{"task_type": "t"} x',
        b"{'task_type': 't'}",
        b'{"task_type": "t",}',
        b'\xef\xbb\xbf{"task_type": "t"}',
        b'{"task_type": "\xff"}',
        b'{"task_type": "t", "params": {"a": "\xed\xa0\x80"}}',
        b'{"task_type": "t", "params": {"a": "\\ud800"}}',
        b'{"task_type": "t", "params": {"\\udfff": 1}}',
        b'{"task_type": "t", "params": {"a": NaN}}',
        b'{"task_type": "t", "params": {"a": -Infinity}}',
        b'{"task_type": "t", "params": {"a": 1e999}}',
        b'{"task_type": "t", "params": {"a": ' + b"9" * 5_000 + b"}}",
        b'{"task_type": "t", "params": {"a": 1, "a": 2}}',
        b'{"task_type": "t", "params": {"a": ' + b"[" * 65 + b"]" * 65 + b"}}",
        b'{"task_type": "t", "params": {"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}}",
        b'{"a":' * 100_000,
        b"\x00",
        '{"task_type": "t"}'.encode("utf-16"),
    ],
    ids=lambda content: repr(content[:40]),
)
def test_what_is_wrong_is_refused_without_being_quoted(content: bytes) -> None:
    with pytest.raises(PayloadInvalid) as refused:
        parse_payload(content)
    assert len(json.dumps(refused.value.details)) < 1_000


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_whatever_comes_in_is_a_payload_or_refused(content: bytes) -> None:
    found = guarded(parse_payload, content)

    assert not isinstance(found, Failed) or found.error.code in ("PAYLOAD_MISSING", "PAYLOAD_INVALID")
