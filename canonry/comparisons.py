"""What a comparison of a candidate with what is released came to, as the journal keeps it: promotion gates read it.

`journal/comparisons/NAME/MOMENT-DIGEST.json`, one entry for everything it was made from: the same comparison is kept
once. Items are named by their ids and nothing else is kept of them: their texts stay where they can be erased.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter

from canonry.catalog.specs import ComparisonSpec
from canonry.stats.verdicts import Verdict, gravest, undecided
from canonry.storage import Storage

FOLDER = "comparisons"

CODE_VERSION = 1
"""Raised when the same inputs would give another verdict."""


@dataclass(frozen=True)
class Flip:
    """An item whose outcome changed: 1 is good, 0 is not; of a measure of rankings its value."""

    item: str
    before: float
    after: float
    judged_by: str
    """`people`, `simulated people`, `golden queries`, or a scorer's name and version."""


@dataclass(frozen=True)
class Comparison:
    """One comparison, with all that its verdict was read off."""

    name: str
    kind: str
    """Folder of assets/ of what is compared."""
    of: str
    candidate: str
    """Version."""
    released: str
    metric: str
    verdict: Verdict
    made_from: Mapping[str, str | None]
    """Digests and versions of everything else: spec, code, gold, scorer, prompt, model."""
    compared_at: dt.datetime
    before: float | None = None
    """The metric of what is released, over items whose outcome is known; `after` of the candidate."""
    after: float | None = None
    items: int = 0
    """Asked of both sides."""
    unchanged: int = 0
    """Items to which both gave the same answer, which needs no judge."""
    judged_by: Mapping[str, int] = field(default_factory=dict)
    """Items that changed, by who judged both sides."""
    unjudged: int = 0
    """Items that changed and that nobody may judge: left out, and as many of a hundred unchanged ones with them."""
    simulated: int = 0
    """Items whose label a program gave."""
    flips: tuple[Flip, ...] = ()
    asked: int = 0
    """Calls to a model that were really made; `kept` were answered before."""
    kept: int = 0

    @property
    def digest(self) -> str:
        """Of what is compared and all it was made from."""
        named = [self.name, self.kind, self.of, self.candidate, self.released, dict(self.made_from)]
        return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:16]


def keep(journal: Storage, comparison: Comparison) -> Comparison:
    """Journal a comparison and return it, or the one that was made from the same before."""
    for earlier in read_all(journal, comparison.name):
        if earlier.digest == comparison.digest:
            return earlier
    moment = comparison.compared_at.strftime("%Y%m%dT%H%M%S.%fZ")
    document = {**asdict(comparison), "compared_at": comparison.compared_at.isoformat()}
    data = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"
    journal.put_if_absent(f"{FOLDER}/{comparison.name}/{moment}-{comparison.digest}.json", data)
    return comparison


def read_all(journal: Storage, name: str | None = None) -> list[Comparison]:
    """Every comparison, or those by one eval, the oldest first."""
    folder = FOLDER if name is None else f"{FOLDER}/{name}"
    found = [_COMPARISON.validate_json(journal.read(entry.path)) for entry in journal.list(folder)]
    return sorted(found, key=lambda each: (each.compared_at, each.name))


def standing(
    journal: Storage, specs: Mapping[str, ComparisonSpec], kind: str, name: str, candidate: str, released: str
) -> Verdict | None:
    """What holds of promoting a candidate over what is released now: the gravest of its comparisons, each the last.

    None where no comparison governs it. One that was not made, or by another text of its YAML, is undecided: only a
    comparison of these very versions, as it is governed now, lets anything pass.
    """
    governing = {
        each: spec for each, spec in specs.items() if (spec.candidate.kind, spec.candidate.name) == (kind, name)
    }
    if not governing:
        return None
    return gravest(_last(read_all(journal, each), each, spec, candidate, released) for each, spec in governing.items())


def spec_digest(spec: ComparisonSpec) -> str:
    """Of all in a spec that a verdict depends on."""
    told = spec.model_dump(mode="json", exclude={"description", "owner", "tags", "at_once", "limits", "show_texts"})
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _last(made: Iterable[Comparison], name: str, spec: ComparisonSpec, candidate: str, released: str) -> Verdict:
    digest = spec_digest(spec)
    fitting = [
        each
        for each in made
        if (each.candidate, each.released) == (candidate, released) and each.made_from.get("spec") == digest
    ]
    if fitting:
        return replace(fitting[-1].verdict, message=f"{name}: {fitting[-1].verdict.message}")
    return undecided(f"{name}: {candidate} was not compared with {released} yet; canonry eval run {name}", spec.margin)


def to_row(comparison: Comparison) -> dict[str, Any]:
    """As plain values, for tables and pages."""
    return asdict(comparison)


_COMPARISON: TypeAdapter[Comparison] = TypeAdapter(Comparison)
