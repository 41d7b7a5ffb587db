"""Models as JSON text, the form in which parameters and results are stored and sent."""

from __future__ import annotations

from pydantic import BaseModel


def dump_json(model: BaseModel) -> str:
    """``model`` as JSON text that its own class validates again, aliases included."""
    return model.__pydantic_serializer__.to_json(model, by_alias=True).decode()
