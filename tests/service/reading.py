"""Zones full of releases, served to readers whose keys say what they may read."""

from __future__ import annotations

from canonry.service import keys
from canonry.storage import Zones
from tests.released import NOW
from tests.service.serving import bearer

ALL = ("read:indexes", "read:prompts", "read:tables")
ARROW = "application/vnd.apache.arrow.stream"


def key_of(zones: Zones, *scopes: str, access: tuple[str, ...] = ()) -> dict[str, str]:
    """The header of a new key with these scopes and access tags."""
    found = keys.create(zones.journal, team="docs", source="docs-assistant", scopes=scopes, access=access, now=NOW)
    return bearer(found[1])
