"""Fields are found by their labels, wherever forms print the value, and what is not clear is not said to be."""

from __future__ import annotations

import json
import math
import random
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.document.engine import Line
from handlers.document.records import LineRecord, PageRecord, WordRecord
from handlers.portal.fields import FieldResult, map_fields, redacted, secrets_of
from handlers.portal.fields.uid import check_digit
from handlers.portal.schema import FieldRule
from tests.support.printed import piece, with_words
from tests.support.records import record

UID = "23412341234" + check_digit("23412341234")


def rule(kind: str = "text", **more: object) -> FieldRule:
    given = {"name": "field", "kind": kind, "labels": ["Name", "Candidate's Name"], **more}
    return FieldRule.model_validate_json(json.dumps(given))


NAME = rule(case="upper")
BIRTH = rule("date", name="date_of_birth", labels=["Date of Birth", "DOB"])
CATEGORY = rule("choice", name="category", labels=["Category"], choices=["GENERAL", "OBC", "EWS", "SC", "ST"])
NUMBER = rule("pattern", name="number", labels=["Application Number", "Application No"], pattern="[0-9]{12}")
PASSPORT = rule("pattern", name="passport", labels=["Passport No"], pattern="[A-Z][0-9]{7}")
AADHAAR = rule("uid", name="uid", labels=["Aadhaar No"], mask="XXXX-XXXX-dddd")


def page(*lines: Line, number: int = 1, words: bool = True) -> PageRecord:
    return record(number, [with_words(line) if words else line for line in lines])


def mapped(rule: FieldRule, *lines: Line) -> FieldResult:
    (found,) = map_fields([rule], [page(*lines)])
    return found


def value(rule: FieldRule, *lines: Line) -> tuple[str, str | None]:
    found = mapped(rule, *lines)
    return found.status, found.value


def at(text: str, row: int, left: float = 100.0) -> Line:
    return piece(text, left, 100.0 + 40.0 * row)


def test_behind_its_label() -> None:
    assert value(NAME, at("Candidate's Name: Ravi Kumar", 0)) == ("found", "RAVI KUMAR")


def test_glued_to_its_label() -> None:
    assert value(NAME, at("Name:Ravi Kumar", 0)) == ("found", "RAVI KUMAR")


def test_in_the_cell_to_the_right() -> None:
    assert value(NAME, at("Name", 0), at("Ravi Kumar", 0, 700.0)) == ("found", "RAVI KUMAR")


def test_in_the_line_below() -> None:
    assert value(NAME, at("Name", 0), at("Ravi Kumar", 1)) == ("found", "RAVI KUMAR")


def test_below_its_label_where_another_label_is_to_the_right() -> None:
    lines = [at("Name", 0), at("Date of Birth", 0, 700.0), at("Ravi Kumar", 1), at("12/03/2001", 1, 700.0)]

    name, birth = map_fields([NAME, BIRTH], [page(*lines)])

    assert (name.value, birth.value) == ("RAVI KUMAR", "12/03/2001")


def test_until_the_next_label_of_the_line() -> None:
    name, birth = map_fields([NAME, BIRTH], [page(at("Name Ravi Kumar DOB 12/03/2001", 0))])

    assert (name.value, birth.value) == ("RAVI KUMAR", "12/03/2001")


@pytest.mark.parametrize(
    "text", ["Father's Name: Sohan", "School Name: Hill", "Name of Examination: NEET", "Bank Name: X"]
)
def test_another_label_is_not_this_one(text: str) -> None:
    assert value(NAME, at(text, 0)) == ("missing", None)


def test_a_label_is_no_value() -> None:
    assert value(NAME, at("Name", 0), at("Father's Name: Sohan", 1)) == ("missing", None)


def test_a_dotted_line_is_no_value() -> None:
    assert value(NAME, at("Name: ..........", 0)) == ("missing", None)


def test_what_is_explained_in_brackets_is_no_value() -> None:
    assert value(BIRTH, at("Date of Birth (DD/MM/YYYY): 12/03/2001", 0)) == ("found", "12/03/2001")


def test_a_number_before_a_label_is_passed_over() -> None:
    assert value(NAME, at("1. Name: Ravi", 0)) == ("found", "RAVI")


@pytest.mark.parametrize("text", ["Dale of Birth 12/03/2001", "DATE OF BIRTH : 12/03/2001", "DateofBirth 12/03/2001"])
def test_a_label_with_a_slip_is_known(text: str) -> None:
    assert value(BIRTH, at(text, 0)) == ("found", "12/03/2001")


HINDI = "\u091c\u0928\u094d\u092e \u0924\u093f\u0925\u093f"
BILINGUAL = rule("date", name="date_of_birth", labels=["Date of Birth", HINDI])
CENTRE = rule(name="centre", labels=["Exam Centre", "\u0915\u0947\u0902\u0926\u094d\u0930"])
ENROLMENT = rule("pattern", name="enrolment", labels=["Enrolment No", "Enrollment No", HINDI], pattern="[A-Z0-9]{6,20}")


def test_a_label_in_two_languages_is_one_label() -> None:
    """A short value under it stands under either of them."""
    assert value(BILINGUAL, at(f"Date of Birth / {HINDI}", 0), at("1/3/2001", 1)) == ("found", "01/03/2001")
    assert value(BILINGUAL, at(f"{HINDI} / Date of Birth", 0), at("1/3/2001", 1)) == ("found", "01/03/2001")


def test_a_qualifier_at_the_end_of_a_label_does_not_qualify_its_translation() -> None:
    line = at(f"Exam Centre / {CENTRE.labels[1]}: Mysuru", 0)

    assert value(CENTRE, line) == ("found", "Mysuru")


def test_of_two_spellings_of_a_label_the_one_that_is_printed_counts() -> None:
    assert value(ENROLMENT, at(f"{HINDI} / Enrolment No: EN12345", 0)) == ("found", "EN12345")


def test_a_slip_costs_confidence() -> None:
    clean, slipped = mapped(BIRTH, at("DOB 12/03/2001", 0)), mapped(BIRTH, at("DOB l2/03/2001", 0))

    assert clean.confidence == 0.9
    assert slipped.confidence is not None
    assert slipped.confidence < 0.9


def test_invalid_is_not_missing() -> None:
    found = mapped(BIRTH, at("DOB 31/02/2001", 0))

    assert (found.status, found.value, found.page) == ("invalid", None, 1)
    assert found.polygon is not None
    assert mapped(BIRTH, at("nothing", 0)).status == "missing"


def test_two_values_that_differ_are_ambiguous_and_the_same_twice_is_not() -> None:
    assert value(BIRTH, at("DOB 12/03/2001", 0), at("DOB 13/03/2001", 3)) == ("ambiguous", None)
    assert value(BIRTH, at("DOB 12/03/2001", 0), at("DOB 12 March 2001", 3)) == ("found", "12/03/2001")


def test_values_on_several_pages_are_held_together() -> None:
    pages = [page(at("DOB 12/03/2001", 0)), page(at("DOB 13/03/2001", 0), number=2)]

    assert map_fields([BIRTH], pages)[0].status == "ambiguous"


@pytest.mark.parametrize(("text", "wanted"), [("0BC", "OBC"), ("GENERAI", "GENERAL"), ("5C", "SC"), ("ews", "EWS")])
def test_a_choice_with_a_slip_is_known(text: str, wanted: str) -> None:
    assert value(CATEGORY, at(f"Category: {text}", 0)) == ("found", wanted)


def test_a_form_that_prints_all_choices_has_chosen_none() -> None:
    assert value(CATEGORY, at("Category: GENERAL OBC SC ST EWS", 0)) == ("ambiguous", None)


GENDER = rule("choice", name="gender", labels=["Gender", "Sex"], choices=["Male", "Female", "Transgender"])


@pytest.mark.parametrize(
    ("rule", "text", "wanted"),
    [
        (GENDER, "M", "Male"),
        (GENDER, "f", "Female"),
        (GENDER, "Trans", "Transgender"),
        (CATEGORY, "Gen", "GENERAL"),
        (CATEGORY, "OBC-NCL", "OBC"),
        (CATEGORY, "GEN-EWS", "EWS"),
    ],
)
def test_a_choice_may_be_shortened_where_that_tells_it_from_the_others(rule: FieldRule, text: str, wanted: str) -> None:
    assert value(rule, at(f"{rule.labels[0]}: {text}", 0)) == ("found", wanted)


@pytest.mark.parametrize("text", ["S", "O", "Ge"])
def test_what_may_be_several_choices_is_none(text: str) -> None:
    assert value(CATEGORY, at(f"Category: {text}", 0)) == ("invalid", None)


def test_a_label_that_nobody_knows_ends_a_value() -> None:
    found = mapped(NAME, at("Name: Ravi Kumar Class: XII", 0))

    assert (found.value, found.confidence) == ("RAVI KUMAR", 0.81)


def test_a_translation_may_be_glued_to_its_label() -> None:
    assert value(BILINGUAL, at(f"{HINDI}/Date of Birth: 12/03/2001", 0)) == ("found", "12/03/2001")


def test_what_is_no_choice_is_invalid() -> None:
    assert value(CATEGORY, at("Category: NONE", 0)) == ("invalid", None)


@pytest.mark.parametrize("text", ["234567890123", "2345 6789 0123", "2345-6789-0123", "23456789O12E"[:11] + "3"])
def test_a_number_may_be_printed_in_groups(text: str) -> None:
    assert value(NUMBER, at(f"Application No. {text}", 0)) == ("found", "234567890123")


@pytest.mark.parametrize("text", ["K1234567", "K 1234567", "k1234567", "K12345G7"])
def test_letters_stand_before_digits(text: str) -> None:
    assert value(PASSPORT, at(f"Passport No: {text}", 0)) == ("found", "K1234567")


@pytest.mark.parametrize("text", ["12345678901", "1234567890123"])
def test_a_number_of_another_length_is_invalid(text: str) -> None:
    assert value(NUMBER, at(f"Application No. {text}", 0)) == ("invalid", None)


def test_a_uid_is_masked() -> None:
    line = at(f"Aadhaar No: {UID[:4]} {UID[4:8]} {UID[8:]}", 0)
    found = mapped(AADHAAR, line)

    assert (found.status, found.value) == ("found", f"XXXX-XXXX-{UID[8:]}")
    assert UID[:4] not in found.model_dump_json()


def test_a_uid_needs_no_label() -> None:
    assert value(AADHAAR, at(f"{UID[:4]} {UID[4:8]} {UID[8:]}", 5))[0] == "found"


def test_a_uid_whose_digits_do_not_check_is_invalid() -> None:
    wrong = UID[:-1] + str((int(UID[-1]) + 1) % 10)

    assert value(AADHAAR, at(f"Aadhaar No: {wrong}", 0)) == ("invalid", None)


@pytest.mark.parametrize("printed", ["XXXX XXXX 2346", "xxxx-xxxx-2346", "XXXXXXXX2346"])
def test_a_uid_may_be_printed_masked(printed: str) -> None:
    """Its check digit cannot be looked at, so it is less sure."""
    found = mapped(AADHAAR, at(f"Aadhaar No: {printed}", 0))

    assert (found.status, found.value) == ("found", "XXXX-XXXX-2346")
    assert found.confidence is not None
    assert found.confidence < 0.9


def test_a_uid_that_is_printed_in_full_and_masked_is_one() -> None:
    masked = [at(f"Aadhaar No: {UID}", 0), at(f"Aadhaar No: XXXX XXXX {UID[8:]}", 2)]
    other = [at(f"Aadhaar No: {UID}", 0), at("Aadhaar No: XXXX XXXX 0000", 2)]

    assert value(AADHAAR, *masked) == ("found", f"XXXX-XXXX-{UID[8:]}")
    assert value(AADHAAR, *other) == ("ambiguous", None)


def test_a_masked_uid_is_none_where_more_of_it_is_wanted() -> None:
    full = rule("uid", name="uid", labels=["Aadhaar No"])

    assert value(full, at("Aadhaar No: XXXX XXXX 2346", 0)) == ("invalid", None)


def test_words_behind_the_name_of_a_card_are_no_uid() -> None:
    short = rule("uid", name="uid", labels=["Aadhaar"], mask="XXXX-XXXX-dddd")
    lines = [at(f"{UID[:4]} {UID[4:8]} {UID[8:]}", 0), at("Aadhaar - Aam Aadmi ka Adhikar", 2)]

    assert value(short, *lines) == ("found", f"XXXX-XXXX-{UID[8:]}")


def test_sixteen_digits_are_no_uid() -> None:
    assert value(AADHAAR, at(f"{UID[:4]} {UID[4:8]} {UID[8:]} 1234", 0)) == ("missing", None)


def test_a_uid_is_in_no_other_field() -> None:
    address = rule(name="address", labels=["Address"])
    line = at(f"Address: 12 MG Road, Mobile c/o {UID} Delhi", 0)

    (found, uid) = map_fields([address, AADHAAR], [page(line)])

    assert (found.status, found.value) == ("found", f"12 MG Road, Mobile c/o XXXX-XXXX-{UID[8:]} Delhi")
    assert (uid.status, uid.value) == ("found", f"XXXX-XXXX-{UID[8:]}")


def test_what_a_pattern_finds_and_a_mask_hides_is_not_in_the_text() -> None:
    account = rule("pattern", name="account", labels=["Account"], pattern="[0-9]{10}", mask="XXXXXXdddd")
    records = [page(at("Account: 12345 67890", 0), at("Name: ACCOUNT OF 1234567890", 3))]

    hidden = redacted(
        [account], "Account: 12345 67890\nName 1234567890, not 11234567890", secrets_of([account], records)
    )

    assert hidden == "Account: XXXXXX7890\nName XXXXXX7890, not 11234567890"


def test_a_mask_of_another_length_hides_everything() -> None:
    short = rule("pattern", labels=["Application No"], pattern="[0-9]{12}", mask="XX-dd")

    assert value(short, at("Application No: 202610012345", 0)) == ("found", "X" * 12)


def test_the_polygon_is_around_the_value() -> None:
    found = mapped(BIRTH, at("DOB 12/03/2001", 2))

    assert found.polygon is not None
    left, top, right, _, _, bottom, _, _ = found.polygon
    assert 100 < left < right
    assert (top, bottom) == (180.0, 204.0)


def test_words_that_the_engine_does_not_know_are_parted() -> None:
    (found,) = map_fields([BIRTH], [page(at("DOB 12/03/2001", 0), words=False)])

    assert (found.value, found.confidence) == ("12/03/2001", 0.95)


@pytest.mark.parametrize("angle", [90.0, 180.0, -90.0, 12.0])
def test_a_page_that_is_turned_reads_the_same(angle: float) -> None:
    lines = [at("Name", 0), at("Date of Birth", 0, 700.0), at("Ravi Kumar", 1), at("12/03/2001", 1, 700.0)]
    upright = page(*lines)
    turned = upright.model_copy(update={"angle": angle, "lines": [_turned(line, angle) for line in upright.lines]})

    for straight, found in zip(*(map_fields([NAME, BIRTH], [one]) for one in (upright, turned)), strict=True):
        assert found.value == straight.value
        assert straight.polygon is not None
        assert found.polygon == pytest.approx(_around(straight.polygon, angle), abs=0.2)


def _turned(line: LineRecord, angle: float) -> LineRecord:
    words = [WordRecord(text=w.text, polygon=_around(w.polygon, angle), confidence=w.confidence) for w in line.words]
    return line.model_copy(update={"polygon": _around(line.polygon, angle), "words": words})


def _around(polygon: list[float], angle: float) -> list[float]:
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    points = zip(polygon[::2], polygon[1::2], strict=True)
    return [value for x, y in points for value in (x * cos - y * sin, x * sin + y * cos)]


RULES = [NAME, BIRTH, CATEGORY, NUMBER, PASSPORT, AADHAAR]
WORDS = st.one_of(
    st.sampled_from(
        ["Name", "Name:", "DOB", "Category", "Aadhaar No", "12/03/2001", "OBC", "SC", UID, "(", ")", ":", "."]
    ),
    st.text(min_size=1, max_size=12).filter(lambda text: bool(text.strip())),
)
LINES = st.builds(
    lambda words, row, column: at(" ".join(words), row, 100.0 + 300 * column),
    st.lists(WORDS, min_size=1, max_size=5),
    st.integers(0, 8),
    st.integers(0, 3),
)


@settings(max_examples=30)
@given(st.lists(LINES, max_size=8), st.randoms(use_true_random=False))
def test_the_same_page_gives_the_same_fields_in_whatever_order_its_lines_come(
    lines: list[Line], order: random.Random
) -> None:
    lines = list({line.polygon: line for line in lines}.values())
    shuffled = list(lines)
    order.shuffle(shuffled)

    found = map_fields(RULES, [page(*lines)])

    assert found == map_fields(RULES, [page(*shuffled)])
    for one, by in zip(found, RULES, strict=True):
        assert one.name == by.name
        assert (one.value is not None) == (one.status == "found")
        assert (one.polygon is None) == (one.status == "missing")
        assert one.confidence is None or 0 <= one.confidence <= 1


@settings(max_examples=30)
@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)), st.sampled_from(["DOB: ", "DOB ", "Date of Birth - "]))
def test_a_printed_date_is_found(day: date, label: str) -> None:
    assert value(BIRTH, at(f"{label}{day:%d/%m/%Y}", 0)) == ("found", f"{day:%d/%m/%Y}")
