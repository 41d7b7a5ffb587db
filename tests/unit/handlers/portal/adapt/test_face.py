from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from handlers.portal.adapt.background import background_of, on_white
from handlers.portal.adapt.geometry import Size, Window, covering, placed
from handlers.portal.adapt.heads import head_of, only_face
from handlers.portal.adapt.records import Box, Face, Head
from handlers.portal.errors import SchemaFailed
from handlers.portal.schema import FaceRule
from tests.support.portraits import FACES, astronaut, noise, plain, told

if TYPE_CHECKING:
    from handlers.document.engine import Page

RULE = FaceRule(min_percent=50, max_percent=75)


def test_the_astronauts_face_is_found_where_it_is() -> None:
    (face,) = FACES(astronaut())
    assert face.confidence > 0.98
    assert face.eyes == pytest.approx((228, 105), abs=4)
    assert face.mouth == pytest.approx((226, 143), abs=4)
    head = head_of(face)
    assert head.chin == pytest.approx(171, abs=6)
    assert head.crown == pytest.approx(38, abs=10)


def test_a_face_is_found_at_other_sizes_and_at_the_same_place() -> None:
    large = np.asarray(cv2.resize(astronaut(), (1_536, 1_536), interpolation=cv2.INTER_CUBIC), np.uint8)
    (face,) = FACES(large)
    assert head_of(face).height / 3 == pytest.approx(head_of(FACES(astronaut())[0]).height, rel=0.05)


@pytest.mark.parametrize("page", [plain(1, 1), plain(1, 5_000), plain(300, 300), plain(300, 300, 0), noise(200, 200)])
def test_nobody_is_found_where_nobody_is(page: Page) -> None:
    assert FACES(page) == ()


def face(height: float, *, upright: bool = True) -> Face:
    eyes, mouth = (50.0, 40.0), (50.0, 70.0)
    return Face(Box(0, 0, 80, height), *((eyes, mouth) if upright else (mouth, eyes)), 1.0)


def test_a_small_face_beside_a_large_one_is_a_picture_on_the_wall() -> None:
    assert only_face([face(20), face(100)]).box.height == 100


@pytest.mark.parametrize(
    ("faces", "why"), [([], "no face"), ([face(90), face(100)], "2 faces"), ([face(100, upright=False)], "upright")]
)
def test_other_than_one_face_is_refused(faces: list[Face], why: str) -> None:
    with pytest.raises(SchemaFailed, match=why):
        only_face(faces)


@pytest.mark.parametrize("middle", [300, 500, 700])
def test_the_head_is_as_high_as_the_rule_has_it_and_in_the_middle(middle: float) -> None:
    head = Head(300, 600, middle)
    window = placed(head, RULE, Size(1_000, 1_200), Size(200, 230), room=False)
    assert 100 * head.height / window.height == pytest.approx(62.5, abs=6)
    assert not window.reaches_beyond(Size(1_000, 1_200))
    assert abs(window.left + window.width / 2 - middle) <= 0.06 * window.width + 1
    assert window.top < head.crown < head.chin < window.top + window.height


def test_room_is_added_beside_and_above_but_never_below() -> None:
    head, picture = Head(20, 220, 90), Size(400, 500)
    with pytest.raises(SchemaFailed):
        placed(head, RULE, picture, Size(200, 230), room=False)
    window = placed(head, RULE, picture, Size(200, 230), room=True)
    assert window.reaches_beyond(picture)
    assert window.top + window.height <= picture.height
    with pytest.raises(SchemaFailed):
        placed(Head(20, 480, 200), RULE, picture, Size(200, 230), room=True)


@pytest.mark.parametrize("head", [Head(20, 220, 50), Head(20, 220, 350), Head(-20, 180, 200)])
def test_no_room_is_added_where_the_picture_ends_in_the_head(head: Head) -> None:
    with pytest.raises(SchemaFailed, match="at the edge"):
        placed(head, RULE, Size(400, 500), Size(200, 230), room=True)


def test_cover_takes_all_that_the_shape_lets_it() -> None:
    assert covering(Size(800, 600), Size(150, 200)) == Size(450, 600)
    assert covering(Size(600, 800), Size(200, 150)) == Size(600, 450)


def test_a_background_is_measured_where_no_body_is() -> None:
    page = plain(200, 160)
    page[110:] = 0
    assert background_of(page).is_white
    assert not background_of(plain(200, 160, 150)).is_white
    assert background_of(plain(200, 160, 150)).is_even
    assert not background_of(noise(200, 160)).is_even


def test_an_even_background_is_made_white_and_the_face_left_as_it_was() -> None:
    crop = Window(120, 0, 200, 230)
    page = np.ascontiguousarray(astronaut()[crop.top : crop.height, crop.left : crop.left + crop.width])
    head = head_of(FACES(page)[0])
    made = on_white(page, head)
    assert background_of(made).is_white
    inner = np.s_[round(head.crown + 30) : round(head.chin - 15), round(head.middle - 25) : round(head.middle + 25)]
    assert np.array_equal(made[inner], page[inner])
    assert np.array_equal(made, on_white(page.copy(), head))


@pytest.mark.parametrize("side", [np.s_[20:120, -40:], np.s_[:30, 140:180]])
def test_what_is_left_of_a_room_at_the_edge_is_no_person(side: tuple[slice, slice]) -> None:
    page = np.ascontiguousarray(astronaut()[0:230, 120:320])
    head = head_of(FACES(page)[0])
    page[side] = (60, 20, 120)
    with pytest.raises(SchemaFailed, match="cut out"):
        on_white(page, head)


def test_a_background_that_cannot_be_told_from_the_person_is_refused() -> None:
    with pytest.raises(SchemaFailed) as refused:
        on_white(noise(230, 200), Head(50, 150, 100))
    assert told(refused.value, "deviation") > told(refused.value, "even_below")
