"""What every spec is made of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=80)]
"""A name: letters, digits, dots, dashes, underscores."""


SliceField = Literal["product", "team", "feature", "response_model", "prompt_name", "prompt_version"]
"""A fact of a call that strata and slices are made of."""


class Strict(BaseModel):
    """Refuses fields it does not know, and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Spec(Strict):
    """What every governed file says."""

    folder: ClassVar[str]

    description: str = Field(description="What it is and for whom, in a sentence or two.", min_length=10)
    owner: str = Field(description="Team or person who answers for it.", min_length=2)
    tags: tuple[Name, ...] = Field((), description="Free labels, shown in the graph.")

    @classmethod
    def class_of(cls, document: Mapping[str, Any]) -> type[Spec]:
        """The class that reads a file's document: of files in one folder some may have other fields than others."""
        return cls

    @classmethod
    def schema_of_all(cls) -> dict[str, Any]:
        """JSON Schema of the folder's files."""
        return cls.model_json_schema()


def ascending(name: str, days: list[dt.date], strict: bool = False) -> None:
    """Raises ValueError where a history's days do not ascend; `strict`: nor two fall on one day."""
    for number, (earlier, later) in enumerate(pairwise(days), start=1):
        if later < earlier or (strict and later == earlier):
            raise ValueError(f"{name}.{number}: {later} does not come after {earlier}; append at the end")
