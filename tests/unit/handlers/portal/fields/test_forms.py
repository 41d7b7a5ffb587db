"""Forms of all five portals, set in many ways: each field comes out as it was printed."""

from __future__ import annotations

import pytest

from handlers.portal.fields import map_fields
from handlers.portal.schema import PortalSchema
from handlers.portal.seed import SEED
from tests.support.forms import LAYOUTS, form

FORMS = 30


@pytest.mark.parametrize("schema", SEED, ids=lambda schema: schema.name)
@pytest.mark.parametrize("layout", range(len(LAYOUTS)), ids=lambda number: LAYOUTS[number].__name__.strip("_"))
def test_every_field_of_a_form_is_found(schema: PortalSchema, layout: int) -> None:
    for seed in range(layout, FORMS, len(LAYOUTS)):
        made = form(schema, seed)

        found = map_fields(schema.schema_definition.fields, [made.page])

        assert {one.name: one.value for one in found} == made.wanted, f"seed {seed}: {made.page.text}"
