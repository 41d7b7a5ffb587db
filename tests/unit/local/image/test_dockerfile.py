from __future__ import annotations

import pytest

from local.image.dockerfile import Base, Instruction, base_of, copied, instructions
from local.image.errors import ImageError

DIGEST = "sha256:" + "0a" * 32
TEXT = f"""\
# a comment
ARG BASE=python:3.11.15-slim-bookworm@{DIGEST}

FROM ${{BASE}} AS packages
RUN apt-get update \\
    # a comment in the middle
    && apt-get install --yes tini
copy a b/
COPY --from=packages /venv /venv
COPY --chown=1:1 c d e/
"""


def test_continued_lines_are_one_instruction_and_comments_none() -> None:
    assert instructions(TEXT)[1:3] == (
        Instruction("FROM", "${BASE} AS packages"),
        Instruction("RUN", "apt-get update && apt-get install --yes tini"),
    )


def test_the_base_says_its_python_and_its_debian() -> None:
    assert base_of(TEXT) == Base("python:3.11.15-slim-bookworm", DIGEST, "3.11", "bookworm")


@pytest.mark.parametrize(
    "base",
    [
        "python:3.11.15-slim-bookworm",
        f"python:3.11-slim-bookworm@{DIGEST}",
        f"python@{DIGEST}",
        "python:3.11.15-slim-bookworm@sha256:0a",
    ],
)
def test_a_base_that_is_not_pinned_by_tag_and_digest_is_refused(base: str) -> None:
    with pytest.raises(ImageError, match="BASE is not"):
        base_of(f"ARG BASE={base}\nFROM ${{BASE}}\n")


def test_a_file_without_the_argument_is_refused() -> None:
    with pytest.raises(ImageError, match="no argument BASE"):
        base_of("FROM scratch\n")


def test_what_is_copied_from_the_context_is_told_and_from_other_stages_not() -> None:
    assert copied(TEXT) == (("a", "b/"), ("c", "d", "e/"))
