"""Estimates: what reviewers would say of every call of a window, from those they were asked about, and how sure."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from canonry import lake
from canonry.catalog import Catalog, EvalSpec
from canonry.evaluate.powered import with_scores
from canonry.evaluate.response import (
    StratumResponse,
    covered_strata,
    labels_of,
    response_by_stratum,
    undecided,
)
from canonry.evaluate.sample import NEGATIVE, POSITIVE, UNLABELED, Sample, read_sample
from canonry.evaluate.scores import Scores, read_scores
from canonry.stats.survey import Proportion, allow_for_uncovered, estimate_proportion
from canonry.storage import Zones

LEAST_COVERED = 0.5
"""Least share of a slice's calls that must lie in strata with a label; below it an estimate is refused."""


@dataclass(frozen=True)
class EstimatesWritten:
    """What the partition holds."""

    rows: int
    refused: int
    """Of those, refused with a reason."""
    changed: bool
    """Whether the partition is another than before."""
    response: dict[str, list[StratumResponse]]
    """By eval, what became of the items drawn in its window."""


def estimate_all(zones: Zones, catalog: Catalog, day: dt.date) -> EstimatesWritten:
    """Write `lake/estimates` of a day: every eval of the catalog, over its window that ends on this day."""
    rows: list[dict[str, Any]] = []
    made_from: dict[str, str] = {}
    response = {}
    for name, spec in sorted(catalog.evals.items()):
        scheme = catalog.schemes[spec.scheme]
        sample = read_sample(zones, spec, scheme, window_of(spec, day))
        scores = read_scores(zones, spec, sample)
        rows += estimate_sample(name, spec, sample, day, scores)
        made_from |= scores.made_from if scores else {}
        response[name] = response_by_stratum(sample)
        made_from |= sample.made_from
        made_from[f"assets/evals/{name}"] = hashlib.sha256(spec.model_dump_json().encode()).hexdigest()
        rule = scheme.consensus.model_dump_json()
        made_from[f"assets/schemes/{spec.scheme}:consensus"] = hashlib.sha256(rule.encode()).hexdigest()
    table = pa.Table.from_pylist(rows, lake.SCHEMAS["estimates"])
    changed = lake.write(zones.lake, "estimates", day, table, {"inputs": made_from})
    return EstimatesWritten(len(rows), sum(row["refused"] is not None for row in rows), changed, response)


def estimate_day(zones: Zones, catalog: Catalog, name: str, day: dt.date) -> list[dict[str, Any]]:
    """One eval's rows of `lake/estimates` for the window that ends on a day; nothing is written."""
    spec = catalog.evals[name]
    sample = read_sample(zones, spec, catalog.schemes[spec.scheme], window_of(spec, day))
    return estimate_sample(name, spec, sample, day, read_scores(zones, spec, sample))


def window_of(spec: EvalSpec, day: dt.date) -> list[dt.date]:
    """Days of the window that ends on a day."""
    return [day - dt.timedelta(days=back) for back in reversed(range(spec.window_days))]


def slice_name(fields: tuple[str, ...]) -> str:
    """A slice as one text: its fields, in the eval's order; `all` for everything."""
    return ",".join(fields) or "all"


def estimate_sample(
    name: str, spec: EvalSpec, sample: Sample, day: dt.date, scores: Scores | None = None
) -> list[dict[str, Any]]:
    """Rows of `lake/estimates`: one a slice of the eval and combination of its values, in order. A pure function.

    With scores there are two, one from the labels alone and one from both; `preferred` is the one that monitors read.
    """
    window = window_of(spec, day)
    rows = []
    for fields in spec.slices:
        for values, strata, items in _groups(sample, fields):
            said = {
                "eval": name,
                "metric": spec.metric,
                "slice": slice_name(fields),
                **values,
                "window_start": window[0],
                "window_end": window[-1],
                "confidence": spec.confidence,
                "scheme_version": None if sample.scheme_version is None else str(sample.scheme_version),
            }
            human = _estimate(spec, sample, values, strata, items) | {"estimator": "human_only", "preferred": True}
            rows.append(said | human)
            if scores is not None:
                powered = with_scores(spec, sample, scores, values, strata, items, human)
                powered["preferred"] = spec.preferred == "prediction_powered" and powered["refused"] is None
                rows[-1]["preferred"] = not powered["preferred"]
                rows.append(said | powered)
    return sorted(rows, key=lambda row: [row.get(column) or "" for column in _ORDER])


_ORDER = ("eval", "slice", "product", "team", "feature", "response_model", "estimator")

Group = tuple[dict[str, str | None], np.ndarray | None, np.ndarray]
"""Values of a slice; which strata it is made of (None: it cuts through strata); which items lie in it."""


def _groups(sample: Sample, fields: tuple[str, ...]) -> Iterator[Group]:
    whole = all(set(fields) <= stratum.keys() for stratum in sample.strata)
    of_items = [tuple(each[field] for field in fields) for each in sample.fields]
    of_strata = [tuple(each[field] for field in fields) for each in sample.strata] if whole else []
    for values in sorted(set(of_strata or of_items), key=lambda values: [value or "" for value in values]):
        strata = np.array([each == values for each in of_strata], dtype=bool) if whole else None
        items = np.array([each == values for each in of_items], dtype=bool)
        yield dict(zip(fields, values, strict=True)), strata, items
    if not sample.strata:
        yield {}, np.zeros(0, dtype=bool), np.zeros(0, dtype=bool)


def _estimate(
    spec: EvalSpec, sample: Sample, values: dict[str, str | None], strata: np.ndarray | None, items: np.ndarray
) -> dict[str, Any]:
    labeled = items & (sample.outcome != UNLABELED)
    used, covered = covered_strata(sample, strata, items)[1:]
    population = _population(sample, strata, items)
    row: dict[str, Any] = {
        "estimand": _estimand(spec, sample, values, population, exact=strata is not None),
        "population": population,
        "drawn": int(items.sum()),
        "labels": int(labeled.sum()),
        "positives": int(np.sum(sample.outcome[labeled] == POSITIVE)),
        "undecided": int(np.sum(items & undecided(sample))),
        "simulated": bool(sample.simulated[items].any()),
        "method": None,
        "refused": _refusal(spec, sample, int(labeled.sum()), covered, cut=strata is None),
    }
    if row["refused"]:
        return row
    estimate = _proportion(spec, sample, strata, items)
    low, high = _worst_case(spec, sample, strata, items, estimate)
    row |= {"value": estimate.value, "interval_low": estimate.low, "interval_high": estimate.high}
    row |= {"worst_case_low": low, "worst_case_high": high}
    row["method"] = _method(sample, items, labeled, int(used.sum()), covered, estimate.effective_labels, (low, high))
    return row


def _proportion(spec: EvalSpec, sample: Sample, strata: np.ndarray | None, items: np.ndarray) -> Proportion:
    taken, given = labels_of(sample, strata, items)
    estimate = estimate_proportion(sample.outcome[taken] == POSITIVE, confidence=spec.confidence, **given)
    return allow_for_uncovered(estimate, covered_strata(sample, strata, items)[2])


def _worst_case(
    spec: EvalSpec, sample: Sample, strata: np.ndarray | None, items: np.ndarray, estimate: Proportion
) -> tuple[float, float]:
    """The interval's ends, had every undecided item been answered no, and yes.

    Horowitz and Manski (1998, Journal of Econometrics 84) of what people looked at; an item that nobody came to yet is
    missing whatever its answer is, as items are handed out in an order that knows nothing of them.
    """
    open_items = undecided(sample)
    if not np.any(items & open_items):
        return estimate.low, estimate.high
    ends = [
        _proportion(spec, replace(sample, outcome=np.where(open_items, answer, sample.outcome)), strata, items)
        for answer in (NEGATIVE, POSITIVE)
    ]
    return min(ends[0].low, estimate.low), max(ends[1].high, estimate.high)


def _refusal(spec: EvalSpec, sample: Sample, labels: int, covered: float, *, cut: bool) -> str | None:
    if not sample.strata and sample.undrawn:
        return f"no inclusion probability: these {sample.undrawn:,} labels were not drawn"
    if not sample.strata and sample.for_training_only:
        return (
            f"for training only: these {sample.for_training_only:,} items were chosen by a design that cannot say how "
            "likely each was"
        )
    if not sample.strata:
        return "nothing was drawn in the window"
    if labels < spec.minimum_labels:
        return f"{labels} labels, fewer than {spec.minimum_labels}"
    if cut and covered < 1:
        return "some strata that the slice cuts through have no label; wait, or make the slice's fields strata"
    if covered < LEAST_COVERED:
        return f"only {covered:.0%} of the calls lie in strata with a label"
    return None


def _population(sample: Sample, strata: np.ndarray | None, items: np.ndarray) -> int:
    if strata is not None:
        return int(sample.population[strata].sum())
    drawn = np.bincount(sample.stratum, minlength=len(sample.strata))
    weight = (sample.population / np.maximum(drawn, 1))[sample.stratum]
    weight = np.where(np.isnan(sample.probability), weight, 1 / sample.probability)
    return round(float(np.sum(weight[items])))


def _estimand(spec: EvalSpec, sample: Sample, values: dict[str, str | None], population: int, *, exact: bool) -> str:
    if not sample.days:
        when = "of the window"
    elif len(sample.days) == 1:
        when = f"of {sample.days[0]}"
    elif len(sample.days) == (sample.days[-1] - sample.days[0]).days + 1:
        when = f"of {sample.days[0]} to {sample.days[-1]}"
    else:
        when = f"of the {len(sample.days)} drawn days from {sample.days[0]} to {sample.days[-1]}"
    of_products = f" of the products {', '.join(sample.products)}" if sample.products else ""
    of_products += f" where {' and '.join(sample.where)}" if sample.where else ""
    where = ", ".join(f"{field}={value}" if value is not None else f"no {field}" for field, value in values.items())
    count = f"{population:,}" if exact else f"about {population:,}"
    return (
        f"share of the {count} answered calls {when}{of_products}{f' in {where}' if where else ''} "
        f'that reviewers would call "{spec.positive}"'
    )


def _method(
    sample: Sample,
    items: np.ndarray,
    labeled: np.ndarray,
    strata: int,
    covered: float,
    effective: float,
    worst_case: tuple[float, float],
) -> str:
    by = " by ".join(("day", *sample.strata[0]))
    said = [
        f"stratified random draws, {strata} strata ({by}), weights N_h / n_h labeled"
        if "poisson" not in sample.designs
        else f"{' and '.join(sample.designs)} draws, {strata} strata ({by}), weights 1 / pi, made to sum to "
        "the calls of each stratum's values",
        f"Korn-Graubard interval, {effective:.1f} effective labels",
    ]
    if missing := int(np.sum(items & ~labeled)):
        counts = {"tied": np.sum(items & sample.tied), "skipped": np.sum(items & sample.skipped)}
        told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        said.append(
            f"{missing} drawn items without a label{f' ({told})' if told else ''} taken as missing at random "
            f"within their stratum: {labeled.sum() / items.sum():.0%} answered"
        )
        if told:
            low, high = worst_case
            said.append(f"{low:.1%} to {high:.1%} whatever the answer to what was tied or skipped would have been")
    if sample.for_training_only:
        said.append(f"{sample.for_training_only:,} items left out: they were drawn for training only")
    if covered < 1:
        said.append(f"{1 - covered:.1%} of the calls lie in strata without a label: the interval allows them any share")
    if sample.undrawn:
        said.append(f"{sample.undrawn:,} imported annotations left out: they were not drawn")
    return "; ".join(said)
