"""Which model versions the page speaks of, in the order that gives each its colour and shape."""

from __future__ import annotations

from collections.abc import Sequence

from canonry.publish.scorecard.formats import named
from canonry.publish.scorecard.parts import Model, Row


class Versions:
    """Model versions by place: governed ones in the order of the catalog, then the others by name."""

    def __init__(self, families: Sequence[tuple[str, ...]], *rows: Sequence[Row]) -> None:
        seen = {row["response_model"] for each in rows for row in each if row["response_model"]}
        governed = [version for family in families for version in family if version in seen]
        order = dict.fromkeys([*governed, *sorted(seen)])
        self._places = {name: place for place, name in enumerate(order)}
        self.families = [tuple(version for version in family if version in seen) for family in families]

    def __getitem__(self, name: str | None) -> Model:
        return Model(named(name), self._places.get(name or "", len(self._places)))

    def pairs(self) -> list[tuple[str, str]]:
        """Each governed version with the one before it."""
        return [(family[at], family[at + 1]) for family in self.families for at in range(len(family) - 1)]
