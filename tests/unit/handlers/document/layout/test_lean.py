from __future__ import annotations

import pytest

from handlers.document.engine import Line, Point
from handlers.document.layout import ordered
from handlers.document.layout.lean import Lean, lean_of
from tests.support.printed import HEIGHT, SIZE, WIDTH, Printer, piece, texts


def fanned(line: Line, slope: float, fan: float) -> Line:
    """The line on a photo on which lines fall by ``slope`` in the middle, and by ``fan`` more at the lower edge."""

    def moved(point: Point) -> Point:
        x, y = point
        return (x, y + (x - WIDTH / 2) * (slope + fan * (2 * y / HEIGHT - 1)))

    a, b, c, d = line.polygon
    return Line(line.text, line.confidence, (moved(a), moved(b), moved(c), moved(d)))


def rows(seed: int) -> list[Line]:
    """Goods with their prices, one row close under the other."""
    printer = Printer(seed)
    return [
        cell
        for n in range(40)
        for cell in (
            piece(printer.text(22), 120, 150 + n * SIZE * 1.6),
            piece(f"{n}", 1_000, 150 + n * SIZE * 1.6, width=40),
            piece(f"{n}.{n:02d}", 1_450, 150 + n * SIZE * 1.6),
        )
    ]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("slope", "fan"), [(0.0, 0.05), (0.0, -0.05), (0.03, 0.06), (-0.04, -0.04)])
def test_rows_that_fan_out_are_read_row_by_row(seed: int, slope: float, fan: float) -> None:
    page = rows(seed)

    found = ordered(Printer(seed).shuffled([fanned(line, slope, fan) for line in page]), WIDTH, HEIGHT)

    assert texts(found) == texts(page)


@pytest.mark.parametrize("fan", [-0.08, 0.02, 0.08])
def test_lines_that_fan_out_lie_straight_where_they_are_levelled(fan: float) -> None:
    lines = [fanned(line, 0.01, fan) for line in Printer(0).paragraphs(150, 200, 1_400, 50)]

    lean = lean_of(lines)

    tops = [[lean.level(point)[1] for point in line.polygon[:2]] for line in lines]
    assert lean.fan != 0
    assert max(abs(left - right) for left, right in tops) < SIZE / 5


def test_a_page_whose_lines_fall_alike_has_one_slope() -> None:
    lines = [fanned(line, 0.03, 0.0) for line in Printer(0).paragraphs(150, 200, 1_400, 50)]

    lean = lean_of(lines)

    assert lean.fan == 0
    assert lean.slope == pytest.approx(0.03, abs=1e-6)


def test_a_page_without_long_lines_lies_straight() -> None:
    assert lean_of([]) == lean_of([piece("a", 100, 100, width=10)]) == Lean()


def test_a_piece_where_the_lines_would_meet_keeps_the_page_from_being_fanned() -> None:
    lines = [fanned(line, 0.0, 0.1) for line in Printer(0).paragraphs(150, 200, 1_400, 50)]

    assert lean_of(lines).fan != 0
    assert lean_of([*lines, piece("far off", 30_000, 100)]).fan == 0
