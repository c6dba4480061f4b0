"""Draws: which of a day's answered calls people are asked about, and with which probability each was chosen."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from canonry.catalog import SchemeSpec
from canonry.catalog.specs import Overlap, Sampling
from canonry.label.known import known_spread, share_labels
from canonry.label.known_items import mix_in
from canonry.label.scores import read_scores
from canonry.labels import SLICE_FIELDS, Draw, DrawnItem, DrawnStratum, draw_name, read_draw, stratum_name
from canonry.population import answered_calls, population_digest
from canonry.stats.designs import UNIFORMS, allocate, poisson_probabilities, whole_numbers
from canonry.storage import Storage, Zones


def draw_day(zones: Zones, name: str, scheme: SchemeSpec, day: dt.date, now: dt.datetime) -> Draw | None:
    """The draw of a day: made and journalled at the first call, the same ever after.

    It makes sense for a day that is over, which is the caller's to know: calls that arrive after the draw are never in
    its frame (`never_in_frame` counts them). A day without answered calls has nothing to draw from: None, and nothing
    is journalled.
    """
    earlier = read_draw(zones.journal, name, scheme.version, day)
    if earlier is not None:
        return earlier
    frame = answered_calls(zones.lake, day, scheme.sampling.products, scheme.sampling.where)
    if not frame.num_rows:
        return None
    scores, said = read_scores(zones, name, scheme, day, frame)
    spread = known_spread(zones.lake, name, scheme, day) if scheme.sampling.allocation == "neyman" else {}
    draw = make_draw(name, scheme, day, frame, now, scores=scores, spread=spread)
    draw = replace(draw, parameters={**draw.parameters, **said})
    if scheme.sampling.same_text_once:
        draw = share_labels(zones, draw)
    key = _key(scheme.sampling.seed, draw.draw_id)
    draw = mix_in(zones, scheme, draw, lambda each: _annotators(scheme.sampling.overlap, each, key))
    if zones.journal.put_if_absent(draw.path, draw.to_json()):
        return draw
    return read_draw(zones.journal, name, scheme.version, day)


def never_in_frame(lake_zone: Storage, draw: Draw) -> int:
    """Answered calls of the draw's day that arrived after it: no one could be asked about them."""
    return max(answered_calls(lake_zone, draw.day, draw.products, draw.where).num_rows - draw.population, 0)


def make_draw(
    name: str,
    scheme: SchemeSpec,
    day: dt.date,
    frame: pa.Table,
    now: dt.datetime,
    *,
    scores: np.ndarray | None = None,
    spread: Mapping[str, float] = MappingProxyType({}),
) -> Draw:
    """The draw that a scheme makes from a frame (columns as of `answered_calls`, in any order). A pure function.

    `stratified` and `simple`: a simple random sample without replacement from each stratum, or from all, of probability
    n_h / N_h. A budget below the number of its strata is drawn from all of them alike. `poisson`: each call for itself,
    with a probability that sums to the stratum's part of the budget; `scores` (rows of the frame) make it differ, see
    `poisson_probabilities`. `negative_feedback_first`: highest scores first, without a probability.
    `spread` is the standard deviation of answers by stratum name, for Neyman's allocation (1934).
    """
    sampling = scheme.sampling
    draw_id = draw_name(name, scheme.version, day)
    key = _key(sampling.seed, draw_id)
    identifiers = frame["inference_id"].to_pylist()
    # A keyed hash of its own id is each call's uniform number: everyone can repeat it, in any order of rows.
    uniform = np.fromiter(
        (int.from_bytes(hashlib.blake2b(each.encode(), digest_size=16, key=key).digest()[:8]) for each in identifiers),
        dtype=np.uint64,
        count=len(identifiers),
    )
    given = np.zeros(len(identifiers)) if scores is None else scores
    parts = [part for budget in _budgets(frame, sampling) for part in _shared_out(sampling, budget, spread)]

    strata, items = [], []
    for position, (values, rows, wanted) in enumerate(parts):
        probability, chosen = _choose(sampling, rows, uniform[rows], given[rows], wanted)
        strata.append(DrawnStratum(values, len(rows), len(chosen), wanted if sampling.design == "poisson" else None))
        facts = frame.select(list(SLICE_FIELDS)).take(chosen).to_pylist()
        for row, likely, fields in zip(chosen.tolist(), probability, facts, strict=True):
            items.append(
                DrawnItem(
                    item_id=item_id(name, scheme.version, identifiers[row]),
                    inference_id=identifiers[row],
                    stratum=position,
                    inclusion_probability=likely,
                    fields=fields,
                    annotators=_annotators(sampling.overlap, identifiers[row], key),
                    score=None if scores is None else float(given[row]),
                )
            )
    return Draw(
        draw_id=draw_id,
        scheme=name,
        scheme_version=scheme.version,
        day=day,
        design=sampling.design,
        products=sampling.products,
        population_digest=population_digest(identifiers),
        strata=tuple(strata),
        items=tuple(sorted(items, key=lambda item: item.item_id)),
        drawn_at=now,
        where={field: tuple(values) for field, values in sampling.where.items()},
        for_training_only=sampling.design == "negative_feedback_first",
        parameters={
            "seed": sampling.seed,
            "per_day": sampling.per_day,
            "per_stratum": sampling.per_stratum,
            **({"per_product": dict(sampling.per_product)} if sampling.per_product else {}),
            "allocation": sampling.allocation,
            "random_share": sampling.score.random_share if sampling.score else 1.0,
            "spread": dict(sorted(spread.items())),
        },
    )


def _strata(frame: pa.Table, fields: tuple[str, ...]) -> tuple[list[dict[str, str | None]], list[np.ndarray]]:
    """Values of each stratum, in order of its name, and the rows of the frame that lie in it."""
    if not fields:
        return [{}], [np.arange(frame.num_rows)]
    numbered = frame.select(list(fields)).append_column("row", pa.array(np.arange(frame.num_rows)))
    groups = numbered.group_by(list(fields), use_threads=False).aggregate([("row", "list")]).to_pylist()
    named = [({field: group[field] for field in fields}, np.array(group["row_list"])) for group in groups]
    named.sort(key=lambda each: stratum_name(each[0]))
    return [values for values, _ in named], [rows for _, rows in named]


@dataclass(frozen=True)
class _Budget:
    """Strata that share a number of items a day: those of one product, or of all products without a budget."""

    product: str | None
    names: list[dict[str, str | None]]
    rows: list[np.ndarray]
    items: int


def _budgets(frame: pa.Table, sampling: Sampling) -> list[_Budget]:
    """The common budget first, then those of single products; every stratum is in one."""
    names, rows_of = _strata(frame, sampling.strata)
    found = []
    for product in (None, *sampling.per_product):
        places = [
            place
            for place, values in enumerate(names)
            if (values["product"] if values.get("product") in sampling.per_product else None) == product
        ]
        common = sampling.per_day if sampling.per_day is not None else (sampling.per_stratum or 0) * len(places)
        items = common if product is None else sampling.per_product[product]
        if places:
            found.append(_Budget(product, [names[each] for each in places], [rows_of[each] for each in places], items))
    return found


def _shared_out(
    sampling: Sampling, budget: _Budget, spread: Mapping[str, float]
) -> list[tuple[dict[str, str | None], np.ndarray, float]]:
    """Values, rows and number of items of each stratum of a budget."""
    names, rows_of = budget.names, budget.rows
    merged = sampling.design == "stratified" and budget.items < len(names)
    if merged:
        names = [{} if budget.product is None else {"product": budget.product}]
        rows_of = [np.sort(np.concatenate(rows_of))]
    sizes = np.array([len(rows) for rows in rows_of])
    if sampling.per_stratum is not None and budget.product is None and not merged:
        expected = np.minimum(sizes, sampling.per_stratum).astype(float)
    else:
        expected = _expected(sampling, names, sizes, budget.items, spread)
    if sampling.design != "poisson":
        expected = whole_numbers(expected, sizes, round(expected.sum())).astype(float)
    return list(zip(names, rows_of, expected.tolist(), strict=True))


def _expected(
    sampling: Sampling, names: list[dict[str, str | None]], sizes: np.ndarray, budget: int, spread: Mapping[str, float]
) -> np.ndarray:
    weights = np.ones(len(sizes)) if sampling.allocation == "equal" else sizes.astype(float)
    if sampling.allocation == "neyman":
        # A stratum of which nothing is known is taken to differ as much as a binary answer can.
        weights = weights * np.array([spread.get(stratum_name(values), 0.5) for values in names])
    return allocate(weights, sizes, budget)


def _choose(
    sampling: Sampling, rows: np.ndarray, uniform: np.ndarray, scores: np.ndarray, wanted: float
) -> tuple[list[float | None], np.ndarray]:
    """Probability of each chosen row, and the rows."""
    if sampling.design == "poisson":
        share = sampling.score.random_share if sampling.score else 1.0
        probability = poisson_probabilities(wanted, scores, share)
        taken = uniform / UNIFORMS < probability
        return probability[taken].tolist(), rows[taken]
    if sampling.design == "negative_feedback_first":
        chosen = rows[np.lexsort((uniform, -scores))[: int(wanted)]]
        return [None] * len(chosen), chosen
    chosen = rows[np.argsort(uniform, kind="stable")[: int(wanted)]]
    return [int(wanted) / len(rows)] * len(chosen), chosen


def _key(seed: int, draw_id: str) -> bytes:
    return hashlib.blake2b(json.dumps([seed, draw_id]).encode(), digest_size=32).digest()


def _annotators(overlap: Overlap | None, inference_id: str, key: bytes) -> int:
    """How many are asked about an item: a keyed hash of its own, so that it says nothing of how it was drawn."""
    if overlap is None:
        return 1
    place = hashlib.blake2b(inference_id.encode(), digest_size=8, key=key, person=b"canonry.overlap").digest()
    return overlap.annotators if int.from_bytes(place) < overlap.share * 2**64 else 1


def item_id(scheme: str, version: int, inference_id: str) -> str:
    """What identifies a call as something to be labeled under one version of a scheme."""
    return hashlib.blake2b(json.dumps([scheme, version, inference_id]).encode(), digest_size=16).hexdigest()
