"""India's unique identification numbers: twelve digits, the last of which checks the others."""

from __future__ import annotations

_D = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
"""The multiplication of the dihedral group of ten elements (J. Verhoeff, "Error Detecting Decimal Codes", 1969)."""

_P = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
"""Verhoeff's permutation; a digit goes through it once for each place that it stands to the left of the last."""

_INVERSE = (0, 4, 3, 2, 1, 5, 6, 7, 8, 9)

LENGTH = 12


def checks(digits: str) -> bool:
    """Whether the last of ``digits`` is Verhoeff's check digit of the others."""
    return _sum(digits) == 0


def check_digit(digits: str) -> str:
    """What has to follow ``digits``."""
    return str(_INVERSE[_sum(digits + "0")])


def is_uid(digits: str) -> bool:
    """The first digit is neither 0 nor 1 (UIDAI, "A UID Numbering Scheme", 2010)."""
    return len(digits) == LENGTH and digits.isascii() and digits.isdigit() and digits[0] not in "01" and checks(digits)


def _sum(digits: str) -> int:
    total = 0
    for place, character in enumerate(reversed(digits)):
        digit = int(character)
        for _ in range(place % 8):
            digit = _P[digit]
        total = _D[total][digit]
    return total
