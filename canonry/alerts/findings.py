"""What a monitor found of one slice: the noun that measures write and incidents are made of."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

State = Literal["holds", "broken", "unknown"]

Slice = Mapping[str, str | None]
"""Values by field; empty is everything."""


@dataclass(frozen=True)
class Cause:
    """What a change comes of."""

    kind: str
    """`swap`: another prompt, index, model or mix of products; `provider`: the same model was asked and behaves
    otherwise; `price`: a token costs otherwise; `usage`: calls have more or fewer tokens; `product`: one product alone,
    with all that is recorded the same; `judge`: what scores the calls changed, and not they; `unknown`: none of these
    explains it. Others may add kinds of their own."""
    field: str | None
    """The field that tells it, where one does."""
    explained: float
    """Share of the change that it explains; 1 is all of it."""
    said: str
    """The cause in words, with the values that gained and lost most."""


@dataclass(frozen=True)
class Finding:
    """What was found of one slice. Not enough to tell is `unknown`, which neither opens nor ends an incident."""

    slice: Slice
    state: State
    said: str
    """In words, with figures and counts."""
    value: float | None = None
    """In the measure's unit."""
    low: float | None = None
    high: float | None = None
    objective: float | None = None
    """What it was held against, in the same unit."""
    since: dt.datetime | None = None
    """When it began, as far as is known, UTC."""
    cause: Cause | None = None
    evidence: tuple[Mapping[str, Any], ...] = field(default=())
    """Rows it is based on, as many as a person reads."""
    simulated: bool = False
    """Whether a program played the people or products behind it."""

    @property
    def key(self) -> str:
        """Eight hex digits that are the slice's own."""
        return slice_key(self.slice)

    def document(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return json.loads(json.dumps(asdict(self), default=str))


def slice_key(values: Slice) -> str:
    """Eight hex digits of a slice."""
    return hashlib.blake2b(json.dumps(dict(values), sort_keys=True).encode(), digest_size=4).hexdigest()


def slice_said(values: Slice) -> str:
    """A slice in words."""
    return ", ".join(value if value is not None else f"no {name}" for name, value in values.items()) or "everything"
