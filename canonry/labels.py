"""What a draw is: the noun that `label` writes and `evaluate` reads."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from canonry.storage import NotFound, Storage

SLICE_FIELDS = ("product", "team", "feature", "response_model", "prompt_name", "prompt_version")
"""Facts of a call that strata and slices are made of."""


@dataclass(frozen=True)
class DrawnStratum:
    """One stratum of a draw: its values by field, the calls in it at the time, and how many of them were chosen."""

    values: Mapping[str, str | None]
    population: int
    drawn: int
    expected: float | None = None
    """Mean number of items over all draws that could have been made, where the design lets it vary."""


@dataclass(frozen=True)
class SharedLabel:
    """Another item that reads the same, under the same version of the scheme: its label counts for both."""

    item_id: str
    day: dt.date
    """Day of the draw that has the item."""


@dataclass(frozen=True)
class DrawnItem:
    """A chosen call, with the probability it was chosen with and the facts it is sliced by, as they were then."""

    item_id: str
    inference_id: str
    stratum: int
    """Position in the draw's `strata`."""
    inclusion_probability: float | None
    """None where the design cannot tell it: the draw is then for training only."""
    fields: Mapping[str, str | None]
    annotators: int = 1
    """People who are asked about it, at least."""
    same_as: SharedLabel | None = None
    """Nobody is asked about it: what people say of this other item, which reads the same, is its label too."""
    content_digest: str | None = None
    """Of what a reviewer reads of it: keyed, and equal where the texts are, but for case, spaces and punctuation."""
    score: float | None = None
    """What made it more or less likely to be chosen than others of its stratum."""


@dataclass(frozen=True)
class KnownItem:
    """An item whose answer is known, mixed in to watch annotators: not drawn, so it is part of no estimate."""

    item_id: str
    """Its own, not that of the item whose answer is known."""
    gold_item_id: str
    """Its name in the gold set or file that it comes from."""
    inference_id: str
    """The call it is of; empty where it comes from a file."""
    answers: Mapping[str, str]
    """The known answer by field of the scheme."""
    release: str
    """Version of the gold release that has its answers, or `file:` and the digest of the file."""
    day: dt.date | None = None
    """Of its call; None where it comes from a file."""
    product: str | None = None
    annotators: int = 1
    """People who are asked about it, at least."""


@dataclass(frozen=True)
class Draw:
    """A draw from one day's answered calls. Made once; late events do not change it."""

    draw_id: str
    scheme: str
    scheme_version: int
    day: dt.date
    design: str
    """simple or stratified: random without replacement in each stratum; poisson: each call for itself; others give no
    probability."""
    products: tuple[str, ...]
    """The population's products; empty means all."""
    population_digest: str
    """SHA-256 of the sorted ids that could have been chosen."""
    strata: tuple[DrawnStratum, ...]
    items: tuple[DrawnItem, ...]
    drawn_at: dt.datetime
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What else the population is restricted to: values by field of a call."""
    for_training_only: bool = False
    """Its items were chosen in a way that gives no probability: no estimate is made from them."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """What the design was given: seed, budget, allocation, share, score."""
    known: tuple[KnownItem, ...] = ()

    @property
    def population(self) -> int:
        """Calls that could have been chosen."""
        return sum(stratum.population for stratum in self.strata)

    @property
    def item_ids(self) -> frozenset[str]:
        """Items that people may be asked about: those drawn, and those whose answer is known."""
        return frozenset([*(item.item_id for item in self.items), *(item.item_id for item in self.known)])

    def joint_probability(self, one: DrawnItem, other: DrawnItem) -> float:
        """The probability with which two different items were chosen together.

        Raises ValueError for a draw whose design gives none.
        """
        if self.for_training_only or one.inclusion_probability is None or other.inclusion_probability is None:
            raise ValueError(f"{self.draw_id}: the design {self.design} gives no probability; for training only")
        if one.stratum != other.stratum or self.design == "poisson":
            return one.inclusion_probability * other.inclusion_probability
        drawn, population = self.strata[one.stratum].drawn, self.strata[one.stratum].population
        return drawn * (drawn - 1) / (population * (population - 1))

    @property
    def path(self) -> str:
        """Where the draw lies in the journal."""
        return draw_path(self.scheme, self.scheme_version, self.day)

    def to_json(self) -> bytes:
        """The journal entry."""
        return json.dumps(asdict(self), default=str, indent=1, ensure_ascii=False).encode() + b"\n"

    @staticmethod
    def from_json(data: bytes) -> Draw:
        """The draw a journal entry holds."""
        document = json.loads(data)
        return Draw(
            **{
                **document,
                "day": dt.date.fromisoformat(document["day"]),
                "products": tuple(document["products"]),
                "strata": tuple(DrawnStratum(**stratum) for stratum in document["strata"]),
                "items": tuple(_drawn_item(item) for item in document["items"]),
                "drawn_at": dt.datetime.fromisoformat(document["drawn_at"]),
                "where": {name: tuple(values) for name, values in document.get("where", {}).items()},
                "known": tuple(_known_item(item) for item in document.get("known", ())),
            }
        )


def _drawn_item(document: dict[str, Any]) -> DrawnItem:
    shared = document.get("same_as")
    same_as = SharedLabel(shared["item_id"], dt.date.fromisoformat(shared["day"])) if shared else None
    return DrawnItem(**{**document, "same_as": same_as})


def _known_item(document: dict[str, Any]) -> KnownItem:
    day = document.get("day")
    return KnownItem(**{**document, "day": dt.date.fromisoformat(day) if day else None})


def draw_path(scheme: str, version: int, day: dt.date) -> str:
    """Where a draw lies in the journal."""
    return f"draws/{scheme}/v{version}/{day.isoformat()}.json"


def draw_name(scheme: str, version: int, day: dt.date) -> str:
    """A draw's id: there is one draw a scheme, version and day."""
    return f"{scheme}-v{version}-{day.isoformat()}"


def read_draw(journal: Storage, scheme: str, version: int, day: dt.date) -> Draw | None:
    """The draw of a day, or None where none was made."""
    try:
        return Draw.from_json(journal.read(draw_path(scheme, version, day)))
    except NotFound:
        return None


def list_draws(journal: Storage, scheme: str) -> list[tuple[int, dt.date]]:
    """Version and day of every draw of a scheme, in order."""
    found = []
    for entry in journal.list(f"draws/{scheme}"):
        _, _, version, file = entry.path.split("/")
        found.append((int(version.removeprefix("v")), dt.date.fromisoformat(file.removesuffix(".json"))))
    return sorted(found)


def schemes_drawn(journal: Storage) -> list[str]:
    """Schemes that have a draw, in order of name."""
    return sorted({entry.path.split("/")[1] for entry in journal.list("draws")})


def stratum_name(values: Mapping[str, str | None]) -> str:
    """A stratum as one text: JSON of its values by field."""
    return json.dumps(dict(values), sort_keys=True, ensure_ascii=False)
