from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.portal.fields import redacted
from handlers.portal.fields.uid import check_digit
from handlers.portal.schema import FieldKind, FieldRule

UID = "23456789012" + check_digit("23456789012")
ONE, TWO, THREE = UID[:4], UID[4:8], UID[8:]
HIDDEN = f"XXXX-XXXX-{THREE}"

NAME = FieldRule(name="name", kind=FieldKind.TEXT, labels=("Name",))
AADHAAR = FieldRule(name="uid", kind=FieldKind.UID, labels=("Aadhaar",), mask="XXXX-XXXX-dddd")


def told(text: str) -> str:
    return redacted([NAME, AADHAAR], text)


@pytest.mark.parametrize(
    "printed",
    [
        UID,
        f"{ONE} {TWO} {THREE}",
        f"{ONE}  {TWO}  {THREE}",
        f"{ONE}-{TWO} {THREE}",
        f"{ONE}.{TWO}.{THREE}",
        f"{ONE}\u2013{TWO}\u2013{THREE}",
        f"{ONE} {TWO}{THREE}",
        f"{ONE}\n{TWO}\n{THREE}",
        " ".join(UID),
        UID.translate(str.maketrans("0123456789", "\u0966\u0967\u0968\u0969\u096a\u096b\u096c\u096d\u096e\u096f")),
        UID.replace("0", "O"),
        UID.replace("6", "b"),
    ],
)
@pytest.mark.parametrize(
    ("before", "behind"),
    [
        ("Aadhaar ", "."),
        ("New Delhi 110001\n", "\nGender: F"),
        ("born 01/01/1990\n", "\n1990"),
        ("", " 1990"),
        ("House 12 ", " Delhi"),
        ("", f"\n{UID}"),
    ],
)
def test_however_it_is_printed_and_whatever_is_around_it(before: str, behind: str, printed: str) -> None:
    hidden = told(before + printed + behind)

    assert hidden.replace(UID, HIDDEN) == before + HIDDEN + behind.replace(UID, HIDDEN)
    assert UID not in hidden


@pytest.mark.parametrize("text", [f"c/o{UID}Delhi", f"{UID}7", f"91{UID}"])
def test_digits_that_are_glued_to_others_or_to_letters_are_no_way_out(text: str) -> None:
    assert UID not in told(text)
    assert UID[:8] not in told(text)


@pytest.mark.parametrize("printed", ["2345 6789 0120", "234567890120"])
def test_what_is_printed_as_one_is_hidden_though_it_does_not_check(printed: str) -> None:
    assert told(f"Aadhaar No. {printed}") == "Aadhaar No. XXXX-XXXX-0120"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Boss Ziggi sold Bob so Igloos",
        "PIN 110001, mobile 98765 43210",
        "01/01/1990\n12 MG Road\n9876543210",
        "VID 1234 5678 9012 3456",
        "Invoice 2026-10-0012, 1,234,567.00",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert told(text) == text


def test_without_a_uid_that_is_masked_nothing_is_hidden() -> None:
    assert redacted([NAME], f"Aadhaar {UID}") == f"Aadhaar {UID}"


@given(
    st.integers(20_000_000_000, 99_999_999_999),
    st.lists(st.sampled_from(["", " ", "-", "\n", ". ", "\u2013"]), min_size=2, max_size=2),
    st.text(alphabet="aZ 19\n.-", max_size=12),
    st.text(alphabet="aZ 19\n.-", max_size=12),
)
def test_no_uid_comes_through(number: int, parts: list[str], before: str, behind: str) -> None:
    """Around it is anything but more digits without a sign between: those make it another number."""
    uid = str(number) + check_digit(str(number))
    printed = uid[:4] + parts[0] + uid[4:8] + parts[1] + uid[8:]

    hidden = told(f"{before} {printed} {behind}")

    assert uid not in re.sub(r"[^0-9]", "", hidden) or uid in re.sub(r"[^0-9]", "", before + " " + behind)
