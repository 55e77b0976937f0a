"""The types of fields in the API's answers, with the descriptions that the OpenAPI document
shows."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta


def doc(text: str) -> Meta:
    """Return msgspec's Meta with a text that describes a field to readers of the API."""
    return Meta(description=text)


Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Count = Annotated[int, Meta(ge=0)]
Amount = Annotated[float, Meta(ge=0)]
