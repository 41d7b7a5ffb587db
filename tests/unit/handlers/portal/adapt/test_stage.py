from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from handlers.portal.adapt.records import Face
from handlers.portal.adapt.stage import BACKGROUND_REPLACED, ENLARGED, PADDED, adapt
from handlers.portal.errors import ResizeFailed, SchemaFailed, SizeExceeded, SizeTooSmall
from handlers.portal.schema import Background, FaceRule, Fit, ImageFormat
from handlers.portal.seed import SEED
from tests.support.portraits import FACES, astronaut, definition, noise, plain, told

if TYPE_CHECKING:
    from handlers.document.engine import Page

SCHEMAS = {schema.name: schema.schema_definition for schema in SEED}


def nobody(_page: Page) -> tuple[Face, ...]:
    return ()


def test_a_photograph_becomes_what_the_portal_wants() -> None:
    wanted = SCHEMAS["NEET 2026"].model_copy(update={"replace_background": True})
    made = adapt(astronaut(), wanted, FACES)
    with Image.open(io.BytesIO(made.data)) as image:
        assert (image.size, image.format, image.info["dpi"]) == ((200, 230), "JPEG", (200, 200))
    assert 10 * 1024 <= len(made.data) <= 100 * 1024
    assert all(check.passed for check in made.report.checks)
    assert made.report.face_percent is not None
    assert 50 <= made.report.face_percent <= 75
    assert BACKGROUND_REPLACED in made.warnings


def test_the_same_picture_gives_the_same_bytes() -> None:
    wanted = SCHEMAS["College Generic"]
    assert adapt(astronaut(), wanted, FACES) == adapt(astronaut().copy(), wanted, FACES)


def test_a_background_that_is_not_white_is_refused_with_what_was_measured() -> None:
    with pytest.raises(SchemaFailed) as refused:
        adapt(astronaut(), SCHEMAS["NEET 2026"], FACES)
    assert refused.value.details["rule"] == "background"
    assert 0 <= told(refused.value, "white_share") < told(refused.value, "required")


def test_no_room_is_added_before_a_background_that_is_not_even() -> None:
    page = np.ascontiguousarray(astronaut()[:, 172:])
    page[::8], page[:, ::8] = 0, 255
    wanted = SCHEMAS["NEET 2026"].model_copy(update={"replace_background": True})
    with pytest.raises(SchemaFailed) as refused:
        adapt(page, wanted, lambda _page: FACES(astronaut()[:, 172:]))
    assert refused.value.details["rule"] == "face"


def test_no_face_is_refused() -> None:
    with pytest.raises(SchemaFailed, match="no face"):
        adapt(plain(400, 400), SCHEMAS["NEET 2026"], FACES)


def test_two_faces_are_refused() -> None:
    both = np.concatenate([astronaut(), astronaut()[:, ::-1]], axis=1)
    with pytest.raises(SchemaFailed, match="2 faces"):
        adapt(both, SCHEMAS["NEET 2026"], FACES)


def test_a_head_that_fills_the_picture_is_refused_with_its_share() -> None:
    with pytest.raises(SchemaFailed) as refused:
        adapt(np.ascontiguousarray(astronaut()[30:185, 160:290]), SCHEMAS["College Generic"], FACES)
    assert told(refused.value, "face_percent") > 80


@pytest.mark.parametrize("fit", [Fit.COVER, Fit.CONTAIN])
@pytest.mark.parametrize("size", [(600, 200), (200, 600), (150, 120), (151, 119)])
def test_other_shapes_are_cut_or_given_room_and_never_stretched(fit: Fit, size: tuple[int, int]) -> None:
    page = plain(*size, level=60)
    y, x = np.ogrid[: size[0], : size[1]]
    page[(y - size[0] / 2) ** 2 + (x - size[1] / 2) ** 2 < 50**2] = 230
    made = adapt(page, definition(fit=fit, background=Background.ANY), nobody)
    with Image.open(io.BytesIO(made.data)) as image:
        disc = np.asarray(image.convert("L")) > 145
    across, down = disc.any(axis=0).sum(), disc.any(axis=1).sum()
    assert abs(int(across) - int(down)) <= 1


def test_a_small_picture_is_enlarged_and_said_to_be() -> None:
    made = adapt(astronaut()[:75, :60], definition(), nobody)
    assert ENLARGED in made.warnings
    assert made.report.scale == 2


@pytest.mark.parametrize("size", [(1, 1), (1, 5_000), (5_000, 1)])
def test_too_few_pixels_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ResizeFailed) as refused:
        adapt(plain(*size), definition(), nobody)
    assert refused.value.details["required"] == [120, 150]


@pytest.mark.parametrize("form", list(ImageFormat))
def test_too_little_is_padded_and_said_to_be(form: ImageFormat) -> None:
    made = adapt(plain(300, 240), definition(output_format=form, min_kb=10), nobody)
    assert len(made.data) == 10 * 1024
    assert made.report.padding > 0
    assert PADDED in made.warnings


@pytest.mark.parametrize("form", list(ImageFormat))
def test_what_would_be_nothing_but_padding_is_refused(form: ImageFormat) -> None:
    with pytest.raises(SizeTooSmall) as refused:
        adapt(plain(300, 240), definition(output_format=form, min_kb=100, max_kb=200), nobody)
    assert told(refused.value, "nearest_bytes") < told(refused.value, "min_bytes") == 100 * 1024


@pytest.mark.parametrize("form", list(ImageFormat))
def test_what_cannot_be_small_enough_is_refused_with_the_nearest_size(form: ImageFormat) -> None:
    with pytest.raises(SizeExceeded) as refused:
        adapt(noise(150, 120), definition(output_format=form, min_kb=0.1, max_kb=0.4), nobody)
    assert told(refused.value, "nearest_bytes") > told(refused.value, "max_bytes") == 409


def test_a_range_of_one_size_is_met() -> None:
    made = adapt(astronaut(), definition(min_kb=6, max_kb=6), nobody)
    assert len(made.data) == 6 * 1024


def test_a_face_that_a_rule_asks_for_is_measured_with_every_fit() -> None:
    rule = FaceRule(min_percent=40, max_percent=60)
    with pytest.raises(SchemaFailed) as refused:
        adapt(astronaut(), definition(face=rule), FACES)
    assert refused.value.details["rule"] == "face"


@pytest.mark.parametrize("fit", [Fit.COVER, Fit.CONTAIN])
@pytest.mark.parametrize("size", [(1, 1), (2, 900), (40, 40), (300, 3)])
def test_odd_pictures_are_made_whole_or_refused(size: tuple[int, int], fit: Fit) -> None:
    try:
        made = adapt(noise(*size), definition(fit=fit), nobody)
    except SchemaFailed:
        return
    assert all(check.passed for check in made.report.checks)
