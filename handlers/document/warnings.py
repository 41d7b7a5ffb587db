"""What a reader of a page should know, and what is no failure: codes with values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class WarningCode(StrEnum):
    """The closed list. A code is stable and is never used for something else; each says what its value is."""

    NO_TEXT = "NO_TEXT"
    """The page was read and has no text. No value."""
    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    """Text was read, and more of it than usual is likely to be wrong. The value is the mean confidence, 0..1."""
    PAGE_FAILED = "PAGE_FAILED"
    """The page could not be read, and the others were. The value is the code of its error."""
    UNREADABLE = "UNREADABLE"
    """More than a fifth of the words is likely to be wrong or missing. The value is that likelihood, 0..1."""
    SCRIPT_NOT_SUPPORTED = "SCRIPT_NOT_SUPPORTED"
    """The page is in a script that nothing installed reads. The value is the script's name."""
    PARTLY_READ = "PARTLY_READ"
    """What looks like text was not read. The value is its share of what looks like text, 0..1."""

    ORIENTATION_UNSURE = "ORIENTATION_UNSURE"
    """Which way up the page stands could not be told from it, and the better reading was kept. The value is the
    quarter turn that was taken, in degrees clockwise."""
    SKEW_CORRECTED = "SKEW_CORRECTED"
    """The page was straightened before it was read. The value is its skew, in degrees clockwise."""
    PERSPECTIVE_CORRECTED = "PERSPECTIVE_CORRECTED"
    """A photographed page was made rectangular before it was read. The value is by how much the corner that was
    farthest from a right angle missed it, in degrees."""
    ENHANCED = "ENHANCED"
    """The page was changed before it was read, for the better. The value names the changes."""
    ENHANCEMENT_REVERTED = "ENHANCEMENT_REVERTED"
    """The page was changed and read again, and the first reading was the better one. The value names the changes."""

    BLURRED = "BLURRED"
    """The value is the width of edges as the standard deviation of a Gaussian, in pixels."""
    MOTION_BLURRED = "MOTION_BLURRED"
    """The page is blurred along one direction. The value is that direction, in degrees clockwise from the
    horizontal, 0 to 180."""
    DARK = "DARK"
    """The value is the grey level of the paper, 0 (black) to 255."""
    OVEREXPOSED = "OVEREXPOSED"
    """The print is washed out. The value is its grey level, 0 to 255 (white)."""
    LOW_CONTRAST = "LOW_CONTRAST"
    """The value is the difference between paper and print, in grey levels."""
    NOISY = "NOISY"
    """The value is the standard deviation of the noise, in grey levels."""
    LOW_RESOLUTION = "LOW_RESOLUTION"
    """The value is the height of the print's small letters, in pixels."""
    HEAVILY_COMPRESSED = "HEAVILY_COMPRESSED"
    """The value is how much stronger steps are at the borders of JPEG's blocks than inside them."""
    SHRUNK = "SHRUNK"
    """The page has more pixels than are read and was made smaller. The value is its side by the side that was read."""
    PROFILE_IGNORED = "PROFILE_IGNORED"
    """The image's colour profile is damaged or not for its colours, which were taken for sRGB. No value."""

    TEXT_LAYER_JUNK = "TEXT_LAYER_JUNK"
    """The page brings text along that cannot be trusted, so its pixels were read. The value is why: its
    ``characters`` or ``words`` are none, it leaves what is seen ``uncovered``, or it is ``unseen`` itself."""
    HIDDEN_TEXT = "HIDDEN_TEXT"
    """The page brings text along that nobody can see, such as white on white, which was left out. The value is its
    share of the page's characters, 0..1."""
    DOCUMENT_REPAIRED = "DOCUMENT_REPAIRED"
    """The document is damaged, and was read as far as it could be put together: more of it may be missing than is
    told. The value is what was damaged: the ``table`` of its objects, or its ``structure``."""
    CONTENT_LOST = "CONTENT_LOST"
    """A part of the page is missing in its damaged document. The value is what: its ``contents`` or its ``pictures``,
    or both."""

    ENCRYPTION_REMOVED = "ENCRYPTION_REMOVED"
    """Of a searchable PDF: the document was encrypted, and the copy with its text is not. No value."""
    SIGNATURE_INVALIDATED = "SIGNATURE_INVALIDATED"
    """Of a searchable PDF: the document is signed, and the copy is no longer what was signed. No value."""
    PDFA_NOT_CLAIMED = "PDFA_NOT_CLAIMED"
    """Of a searchable PDF: it was asked for as PDF/A, and the copy does not say that it is. The value is the first
    thing of the document that stands against it."""
    OUTPUT_NOT_MADE = "OUTPUT_NOT_MADE"
    """A file that was asked for could not be made of the document. The value names it, and the code of the error."""


@dataclass(frozen=True, slots=True)
class PageWarning:
    """``code`` is one of :class:`WarningCode`, which says what ``value`` is; ``None`` where the code says all."""

    code: str
    value: float | str | None = None
