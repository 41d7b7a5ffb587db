from __future__ import annotations

import pytest

from handlers.document.engine import Quad
from handlers.document.reading_order import turn_back


def box(left: float, top: float, width: float, height: float) -> Quad:
    return ((left, top), (left + width, top), (left + width, top + height), (left, top + height))


@pytest.mark.parametrize("turns", range(4))
def test_what_is_turned_upright_is_turned_back_to_where_it_was(turns: int) -> None:
    width, height = 300, 200
    given = box(10, 20, 50, 15)

    assert turn_back(upright(given, turns, width, height), turns, width, height) == given


def upright(polygon: Quad, turns: int, width: float, height: float) -> Quad:
    """Turn a polygon with its page counter-clockwise, one quarter at a time."""
    for _ in range(turns):
        a, b, c, d = polygon
        polygon = ((a[1], width - a[0]), (b[1], width - b[0]), (c[1], width - c[0]), (d[1], width - d[0]))
        width, height = height, width
    return polygon
