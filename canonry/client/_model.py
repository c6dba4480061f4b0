"""Canonical models: which are in production, which versions they are, and what they cost."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from pydantic import TypeAdapter

from canonry.client._open import find, read_json
from canonry.release import PRODUCTION, ReleaseError

ALL = "all"
"""Name of the one release that holds every model."""


@dataclass(frozen=True)
class Price:
    """What a model costs from a day on, in US dollars for a million tokens."""

    valid_from: dt.date
    input_mtok: Decimal
    output_mtok: Decimal
    cache_read_mtok: Decimal | None
    cache_write_mtok: Decimal | None
    reason: str


@dataclass(frozen=True)
class Model:
    """A model teams may use, in the stage it was in when it was published."""

    description: str
    owner: str
    role: str
    provider: str
    versions: tuple[str, ...]
    """Values of response_model that are this model."""
    stage: str
    """candidate, production, deprecated or retired."""
    since: dt.date
    reason: str
    prices: tuple[Price, ...]
    """Own prices, oldest first; none where the public price list holds."""
    version: str | None = None
    """The one of `versions` that is meant now, where the catalog says so."""


def get_model(
    name: str, channel: str = PRODUCTION, version: str | None = None, home: str | Path | None = None
) -> Model:
    """What is governed about a model. Raises NotReleased, Damaged, or ReleaseError naming the known models.

    >>> model = get_model("m")
    >>> model.stage, model.provider, model.versions
    ('production', 'p', ('m-1',))
    """
    release = find("models", ALL, channel, version, home)
    models = read_json(release, "models.json", _PAYLOAD)
    if name not in models:
        raise ReleaseError(f"model {name!r} is not in {release.folder} (known: {', '.join(models) or 'none'})")
    return models[name]


async def aget_model(
    name: str, channel: str = PRODUCTION, version: str | None = None, home: str | Path | None = None
) -> Model:
    """`get_model` in a thread: the event loop goes on meanwhile.

    >>> asyncio.run(aget_model("m")).role
    'chat'
    """
    return await asyncio.to_thread(get_model, name, channel, version, home)


_PAYLOAD: TypeAdapter[dict[str, Model]] = TypeAdapter(dict[str, Model])
