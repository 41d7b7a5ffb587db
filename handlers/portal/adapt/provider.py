"""What makes adapted pictures, given once to whoever runs the pipeline."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from core.errors import DependencyMissing
from handlers.document.errors import OCR_INSTALL_HINT
from handlers.portal.adapt.records import Adapted
from handlers.portal.schema import SchemaDefinition

if TYPE_CHECKING:
    from handlers.document.engine import Page


def adapter() -> Callable[[Page, SchemaDefinition], Adapted]:
    """:func:`handlers.portal.adapt.stage.adapt` with the detector that this process keeps.

    What is returned raises :class:`core.errors.DependencyMissing` too, where numpy, OpenCV or Pillow are not there.
    """

    def adapted(page: Page, definition: SchemaDefinition) -> Adapted:
        return _loaded()(page, definition)

    return adapted


@cache
def _loaded() -> Callable[[Page, SchemaDefinition], Adapted]:
    try:
        from handlers.portal.adapt.cascade import CascadeDetector  # noqa: PLC0415 - only the worker has numpy and cv2
        from handlers.portal.adapt.stage import adapt  # noqa: PLC0415 - as above
    except ImportError as error:
        raise DependencyMissing(f"{error.name} is not installed: {OCR_INSTALL_HINT}") from error
    faces = CascadeDetector()
    return lambda page, definition: adapt(page, definition, faces)
