"""A version of a scorer of the catalog with all it needs: its release, its encoder, its endpoint and its budget."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from canonry.catalog import Catalog
from canonry.catalog.specs import GroundednessSpec, JudgeSpec
from canonry.completions import Endpoint, configured_endpoint
from canonry.encode import exported, files_of, load_onnx
from canonry.evaluate.anchors import Reading, take_reading
from canonry.evaluate.definitions import DEFINITION, Definition, DefinitionError, read_definition
from canonry.evaluate.judging import SOURCE, DayBudget, Judging, Ledger, price_of, score_by_judge
from canonry.evaluate.judging.ask import place
from canonry.evaluate.scorers import KIND
from canonry.evaluate.scoring import Ready, defined_scorer, released_at, trained_scorer
from canonry.landing import LandingWriter
from canonry.release import PRODUCTION, Release, resolve
from canonry.score import Encode, ScoreCalls
from canonry.storage import Zones


@dataclass(frozen=True)
class Prepared:
    """A scorer that is ready, and what a judge has asked so far."""

    ready: Ready
    judging: Judging | None
    read_anchors: Callable[[dt.date], Reading | None] | None
    """Scores the scorer's anchors on a day; None for a scorer without any."""


def prepare_scorer(
    zones: Zones,
    catalog: Catalog,
    name: str,
    now: dt.datetime,
    *,
    version: str = PRODUCTION,
    endpoint: Callable[[], Endpoint] = configured_endpoint,
) -> Prepared:
    """A scorer in the version that a channel points to, or in the one named. `now` is UTC: its day's budget is used.

    Raises NotReleased, and NotConfigured for a judge without an endpoint; ReleaseError, ScorerError, DefinitionError,
    NoPrice.
    """
    spec = catalog.scorers[name]
    release = resolve(zones.published, KIND, name, version)
    released = released_at(zones.journal, release)
    if (DEFINITION in release.manifest.files) == isinstance(spec, GroundednessSpec):
        raise DefinitionError(
            f"{release.folder}: is not of kind {spec.kind}, as {catalog.path('scorers', name)} says; give a scorer of "
            f"another kind another name"
        )
    if isinstance(spec, GroundednessSpec):
        encode = encoder_of(catalog, release.manifest.metadata["encoder"])
        ready = trained_scorer(name, release, released, spec.metric, spec.mark, encode, spec.products)
        return Prepared(ready, None, _reader(zones, spec, ready.version, name, lambda day: ready.score))
    judging: list[Judging] = []

    def judge(definition: Definition) -> ScoreCalls:
        assert isinstance(spec, JudgeSpec)
        judging.append(_judging(zones, catalog, name, spec, release, definition, endpoint(), now))
        return score_by_judge(definition, judging[0])

    ready = defined_scorer(name, release, released, lambda encoder: _needed(catalog, encoder), judge, spec.products)
    if not isinstance(spec, JudgeSpec):
        return Prepared(ready, None, None)
    # Over the whole day, or those that came early would have all of a budget.
    ready = dataclasses.replace(ready, order=lambda call: place(call.inference_id))

    def anew(day: dt.date) -> ScoreCalls:
        return score_by_judge(read_definition(release), judging[0], f"anchors of {day}")

    return Prepared(ready, judging[0], _reader(zones, spec, ready.version, name, anew))


def encoder_of(catalog: Catalog, name: str | None) -> Encode | None:
    """An encoder of the catalog, exported once; None for no name."""
    if name is None:
        return None
    files = files_of(name, catalog.models[name])
    return load_onnx(files, exported(files), files.tokenizer_file).encode


def _needed(catalog: Catalog, name: str) -> Encode:
    if name not in catalog.models:
        raise DefinitionError(f"encoder {name!r} is not governed any more: there is no {catalog.path('models', name)}")
    found = encoder_of(catalog, name)
    assert found is not None
    return found


def _judging(
    zones: Zones,
    catalog: Catalog,
    name: str,
    spec: JudgeSpec,
    release: Release,
    definition: Definition,
    endpoint: Endpoint,
    now: dt.datetime,
) -> Judging:
    settings = definition.settings
    owner, provider = spec.owner, settings["provider"]
    ledger = Ledger(LandingWriter(zones.landing, SOURCE), name, release.version, owner, provider, settings["prompt"])
    return Judging(
        endpoint,
        zones.journal,
        ledger,
        DayBudget(zones.journal, name, now.date(), spec.budget),
        price_of(catalog.models, provider, settings["model"], now.date()),
        spec.at_once,
        spec.share,
    )


def _reader(
    zones: Zones,
    spec: GroundednessSpec | JudgeSpec,
    version: str,
    name: str,
    score: Callable[[dt.date], ScoreCalls],
) -> Callable[[dt.date], Reading | None] | None:
    anchors = spec.anchors
    if anchors is None:
        return None
    return lambda day: take_reading(zones, name, version, anchors, score(day), day)
