"""The five portals that are there from the start, each the first version of its name.

Sizes and rules are those that the portals publish; labels are how such forms print them, in English and Hindi. The
database has them by a migration, which never changes: what a portal changes is a next version, in a next migration.
"""

from __future__ import annotations

from uuid import UUID, uuid5

from handlers.portal.schema import (
    Background,
    FaceRule,
    FieldKind,
    FieldRule,
    Fit,
    ImageFormat,
    PortalSchema,
    SchemaDefinition,
    SchemaStatus,
)

_IDS = UUID("6f1c4c0e-6d0f-4b57-9a43-6a4a8f7f2f55")

_JPEG = (ImageFormat.JPEG,)
_JPEG_OR_PNG = (ImageFormat.JPEG, ImageFormat.PNG)

_BIRTH = ("Date of Birth", "DOB", "D.O.B.", "Birth Date", "जन्म तिथि", "जन्मतिथि", "जन्म की तारीख")


def _text(name: str, *labels: str, required: bool = True) -> FieldRule:
    return FieldRule(name=name, kind=FieldKind.TEXT, labels=labels, required=required)


def _number(name: str, pattern: str, *labels: str, required: bool = True) -> FieldRule:
    return FieldRule(name=name, kind=FieldKind.PATTERN, labels=labels, pattern=pattern, required=required)


def _choice(name: str, choices: tuple[str, ...], *labels: str) -> FieldRule:
    return FieldRule(name=name, kind=FieldKind.CHOICE, labels=labels, choices=choices)


_UPPER_NAME = FieldRule(
    name="name",
    kind=FieldKind.TEXT,
    labels=("Candidate's Name", "Candidate Name", "Name of Candidate", "Name of the Candidate", "Name", "नाम"),
    case="upper",
)
_DATE_OF_BIRTH = FieldRule(name="date_of_birth", kind=FieldKind.DATE, labels=_BIRTH)

NEET = SchemaDefinition(
    target_width=200,
    target_height=230,
    target_dpi=200,
    min_kb=10,
    max_kb=100,
    output_format=ImageFormat.JPEG,
    filename_pattern="{job_id}_neet_2026",
    formats=_JPEG,
    fit=Fit.FACE,
    background=Background.WHITE,
    face=FaceRule(min_percent=50, max_percent=75),
    fields=(
        _UPPER_NAME,
        _DATE_OF_BIRTH,
        _choice("category", ("GENERAL", "OBC", "SC", "ST", "EWS"), "Category", "Caste Category", "श्रेणी", "वर्ग"),
        _text("state", "State", "State of Eligibility", "State of Domicile", "State/UT", "राज्य"),
    ),
)

JEE_MAIN = SchemaDefinition(
    target_width=150,
    target_height=200,
    target_dpi=200,
    min_kb=10,
    max_kb=80,
    output_format=ImageFormat.JPEG,
    filename_pattern="{job_id}_jee_main_2026",
    formats=_JPEG,
    fit=Fit.FACE,
    background=Background.WHITE,
    face=FaceRule(min_percent=50, max_percent=75),
    fields=(
        _UPPER_NAME,
        _number(
            "application_number",
            "[0-9]{12}",
            "Application Number",
            "Application No",
            "Application No.",
            "App. No.",
            "आवेदन संख्या",
        ),
        _DATE_OF_BIRTH,
        _text("father_name", "Father's Name", "Father Name", "Name of Father", "पिता का नाम"),
        _text(
            "exam_centre",
            "Exam Centre",
            "Examination Centre",
            "Exam Center",
            "Centre of Examination",
            "परीक्षा केंद्र",
            required=False,
        ),
    ),
)

AADHAAR = SchemaDefinition(
    target_width=350,
    target_height=450,
    target_dpi=300,
    min_kb=20,
    max_kb=200,
    output_format=ImageFormat.JPEG,
    filename_pattern="{job_id}_aadhaar_update",
    formats=_JPEG_OR_PNG,
    fit=Fit.FACE,
    background=Background.WHITE,
    face=FaceRule(min_percent=60, max_percent=80),
    fields=(
        FieldRule(
            name="name",
            kind=FieldKind.TEXT,
            labels=("Name", "Full Name", "Resident Name", "Name of Resident", "नाम", "पूरा नाम"),
            case="title",
        ),
        FieldRule(
            name="uid",
            kind=FieldKind.UID,
            labels=("Aadhaar Number", "Aadhaar No", "Aadhaar No.", "Your Aadhaar No.", "Aadhaar", "UID", "आधार संख्या"),
            mask="XXXX-XXXX-dddd",
        ),
        _text("address", "Address", "Residential Address", "Permanent Address", "पता"),
        _DATE_OF_BIRTH,
        _choice("gender", ("Male", "Female", "Transgender"), "Gender", "Sex", "लिंग"),
    ),
)

PASSPORT = SchemaDefinition(
    target_width=413,
    target_height=531,
    target_dpi=300,
    min_kb=20,
    max_kb=300,
    output_format=ImageFormat.JPEG,
    filename_pattern="{job_id}_passport_india",
    formats=_JPEG,
    fit=Fit.FACE,
    background=Background.WHITE,
    face=FaceRule(min_percent=70, max_percent=80),
    fields=(
        _text("surname", "Surname", "उपनाम"),
        _text("given_name", "Given Name", "Given Name(s)", "Given Names", "दिया गया नाम"),
        _DATE_OF_BIRTH,
        _text("place_of_birth", "Place of Birth", "Birth Place", "जन्म स्थान"),
        _text("nationality", "Nationality", "Citizenship", "राष्ट्रीयता"),
        _number(
            "passport_number",
            "[A-Z][0-9]{7}",
            "Passport No",
            "Passport No.",
            "Passport Number",
            "पासपोर्ट संख्या",
            required=False,
        ),
    ),
)

COLLEGE = SchemaDefinition(
    target_width=150,
    target_height=200,
    target_dpi=150,
    min_kb=5,
    max_kb=50,
    output_format=ImageFormat.JPEG,
    filename_pattern="{job_id}_college",
    formats=_JPEG_OR_PNG,
    fit=Fit.FACE,
    background=Background.ANY,
    face=FaceRule(min_percent=40, max_percent=80),
    fields=(
        _text("name", "Name", "Student Name", "Name of Student", "Student's Name", "नाम", "छात्र का नाम"),
        _number(
            "enrolment_number",
            "[A-Z0-9]{6,20}",
            "Enrolment Number",
            "Enrolment No",
            "Enrolment No.",
            "Enrollment Number",
            "Enrollment No",
            "नामांकन संख्या",
        ),
        _text("course", "Course", "Programme", "Program", "Course of Study", "पाठ्यक्रम"),
        _number("batch_year", "20[0-9]{2}", "Batch Year", "Batch", "Year of Admission", "बैच", "बैच वर्ष"),
        _text("department", "Department", "Dept", "Branch", "विभाग", required=False),
    ),
)


def _first(name: str, definition: SchemaDefinition) -> PortalSchema:
    return PortalSchema(
        id=uuid5(_IDS, name), name=name, version=1, status=SchemaStatus.ACTIVE, schema_definition=definition
    )


SEED: tuple[PortalSchema, ...] = (
    _first("NEET 2026", NEET),
    _first("JEE Main 2026", JEE_MAIN),
    _first("Aadhaar Update", AADHAAR),
    _first("Passport India", PASSPORT),
    _first("College Generic", COLLEGE),
)
