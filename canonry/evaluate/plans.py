"""Budget plans: how many labels a day, in which strata, give an eval's interval a width, from what is known so far."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from canonry.catalog import EvalSpec, SchemeSpec
from canonry.evaluate.estimates import estimate_sample, window_of
from canonry.evaluate.sample import POSITIVE, UNLABELED, Sample, read_sample
from canonry.evaluate.slices import slice_name
from canonry.labels import list_draws, stratum_name
from canonry.stats.designs import allocate, whole_numbers
from canonry.stats.planning import expected_width, least_budget
from canonry.storage import Zones


@dataclass(frozen=True)
class PlannedStratum:
    """What a window needs of the strata with these values, over its days."""

    values: Mapping[str, str | None]
    population: int
    seen: int
    """Labels so far."""
    positives: int
    labels: int
    """Labels needed."""
    to_draw: int
    """Items to draw for them, at the share that was answered so far."""


@dataclass(frozen=True)
class Plan:
    """A plan for one eval over the window that ends on a day."""

    eval: str
    scheme: str
    scheme_version: int
    day: dt.date
    width: float
    """What was asked for."""
    per_day: int | None
    """Items to draw a day; None where no number of them gives the width."""
    expected_width: float
    """Of the plan; of labeling all that can be expected to be answered, where nothing gives the width."""
    strata: tuple[PlannedStratum, ...]
    realised_width: float | None
    """Of the interval as it is now, the widest of the slices; None where every one is refused."""
    notes: tuple[str, ...]
    slice: str = "all"
    """Fields by which there are as many intervals as values, each of which is to have the width."""


def make_plan(
    zones: Zones, name: str, spec: EvalSpec, scheme: SchemeSpec, width: float, by: tuple[str, ...] = ()
) -> Plan:
    """The plan for an eval, from the last window with a draw, so that each interval `by` these fields has the width.

    Raises LookupError where nothing was drawn yet, or not by these fields.
    """
    drawn = [day for version, day in list_draws(zones.journal, spec.scheme) if version == scheme.version]
    if not drawn:
        raise LookupError(
            f"{spec.scheme} v{scheme.version}: nothing was drawn yet, so how many calls come is not known"
        )
    sample = read_sample(zones, spec, scheme, window_of(spec, max(drawn)))
    return plan_sample(name, spec, scheme, sample, max(drawn), width, by)


def plan_sample(
    name: str,
    spec: EvalSpec,
    scheme: SchemeSpec,
    sample: Sample,
    day: dt.date,
    width: float,
    by: tuple[str, ...] = (),
) -> Plan:
    """The plan from a window's sample: days like these, drawn as the scheme allocates. A pure function."""
    if not len(sample.population):
        raise LookupError(f"{name}: nothing was drawn in the window that an estimate can be made from")
    slices = _slices(name, sample, by)
    names = np.array([stratum_name(values) for values in sample.strata])
    kinds, kind = np.unique(names, return_inverse=True)
    of_items = kind[sample.stratum]
    labeled = sample.outcome != UNLABELED
    seen = np.bincount(of_items[labeled], minlength=len(kinds))
    positives = np.bincount(of_items[sample.outcome == POSITIVE], minlength=len(kinds))
    drawn = np.bincount(of_items, minlength=len(kinds))
    # Without a label yet nobody is known to skip: reviewers have only not come to it.
    response = np.where(seen > 0, seen / np.maximum(drawn, 1), 1.0)[kind]
    sizes = sample.population
    reachable = np.maximum(np.floor(sizes * response).astype(np.int64), 1)
    day_of = sample.day

    def labels_of(budget: int) -> np.ndarray:
        return _allocated(scheme, reachable, day_of, budget, (positives + 0.5)[kind] / (seen + 1)[kind])

    unequal = _design_effect(sample, of_items, len(kinds))

    def width_of(budget: int) -> float:
        worth = np.maximum(np.floor(labels_of(budget) / unequal[kind]).astype(np.int64), 1)
        return max(
            expected_width(sizes[each], worth[each], positives[kind][each], seen[kind][each], spec.confidence)
            for each in slices
        )

    most = int(max(reachable[day_of == each].sum() for each in np.unique(day_of)))
    budget = least_budget(width_of, width, 1, most)
    labels = labels_of(most if budget is None else budget)
    to_draw = np.minimum(np.ceil(labels / response).astype(np.int64), sizes)
    days = len(np.unique(day_of))
    notes = [
        *([f"nothing is known yet of {np.sum(seen == 0)} of {len(kinds)} kinds of stratum: taken at worst, as one half"]
          if np.any(seen == 0) else []),
        *([f"calls are drawn with unequal chances, as so far: a label is worth 1 / {unequal.max():.2f} at least"]
          if unequal.max() > 1.005 else []),
        *(["planned for the share of these calls; the interval of the rate behind them is wider"]
          if spec.estimand == "rate" else []),
        *(["planned as one budget over all products"] if scheme.sampling.per_product else []),
        *([f"no number of labels gives this width: {labels.sum():,} of {sizes.sum():,} calls can be expected to be "
           "answered; ask for a wider interval or a longer window"] if budget is None else []),
        *(["nearly all calls: label everything"] if budget is not None and labels.sum() > 0.95 * sizes.sum() else []),
        *_days_needed(sample, int(to_draw.sum()), days, spec),
    ]  # fmt: skip
    asked = spec.model_copy(update={"slices": (by,), "estimand": "calls", "cluster": None})
    known = [row for row in estimate_sample(name, asked, sample, day) if not row["refused"]]
    return Plan(
        eval=name,
        scheme=spec.scheme,
        scheme_version=scheme.version,
        day=day,
        width=width,
        per_day=None if budget is None else -(-int(to_draw.sum()) // days),
        expected_width=width_of(most if budget is None else budget),
        strata=tuple(
            PlannedStratum(
                values=sample.strata[int(np.flatnonzero(kind == each)[0])],
                population=int(sizes[kind == each].sum()),
                seen=int(seen[each]),
                positives=int(positives[each]),
                labels=int(labels[kind == each].sum()),
                to_draw=int(to_draw[kind == each].sum()),
            )
            for each in range(len(kinds))
        ),
        realised_width=max((row["interval_high"] - row["interval_low"] for row in known), default=None),
        notes=tuple(notes),
        slice=slice_name(by),
    )


def keep_plan(zones: Zones, plan: Plan) -> str:
    """Journal a plan, once, and say where."""
    data = json.dumps(asdict(plan), default=str, indent=1, ensure_ascii=False).encode() + b"\n"
    digest = hashlib.sha256(data).hexdigest()[:12]
    path = f"plans/{plan.scheme}/v{plan.scheme_version}/{plan.day}-{plan.eval}-{digest}.json"
    zones.journal.put_if_absent(path, data)
    return path


def _slices(name: str, sample: Sample, by: tuple[str, ...]) -> list[np.ndarray]:
    """(strata,) which strata each slice is made of."""
    missing = [field for field in by if any(field not in values for values in sample.strata)]
    if missing:
        raise LookupError(
            f"{name}: calls are not drawn by {', '.join(missing)}, so no budget of labels can be meant for each; "
            "name it in the scheme's sampling.strata"
        )
    of_strata = [tuple(values[field] for field in by) for values in sample.strata]
    return [np.array([each == values for each in of_strata]) for values in dict.fromkeys(of_strata)]


def _design_effect(sample: Sample, of_items: np.ndarray, kinds: int) -> np.ndarray:
    """(kinds,) how many labels of unequal weight say as much as one of equal weight (Kish 1965); 1 where none was."""
    poisson = ~np.isnan(sample.probability)
    weight, kind = 1 / sample.probability[poisson], of_items[poisson]
    count, total, squares = (np.bincount(kind, each, kinds) for each in (np.ones(len(weight)), weight, weight**2))
    return np.where(count > 0, count * squares / np.maximum(total**2, 1e-300), 1.0)


def _allocated(
    scheme: SchemeSpec, reachable: np.ndarray, day_of: np.ndarray, budget: int, rates: np.ndarray
) -> np.ndarray:
    labels = np.zeros(len(reachable), dtype=np.int64)
    sampling = scheme.sampling
    for day in np.unique(day_of):
        inside = np.flatnonzero(day_of == day)
        weights = np.ones(len(inside)) if sampling.allocation == "equal" else reachable[inside].astype(float)
        if sampling.allocation == "neyman":
            weights = weights * np.sqrt(rates[inside] * (1 - rates[inside]))
        wanted = max(budget, len(inside))
        labels[inside] = whole_numbers(allocate(weights, reachable[inside], wanted), reachable[inside], wanted)
    return labels


def _days_needed(sample: Sample, to_draw: int, days: int, spec: EvalSpec) -> list[str]:
    now = len(sample.outcome) / days
    if not now or to_draw <= len(sample.outcome):
        return []
    needed = int(np.ceil(to_draw / now))
    longer = f", longer than the window of {spec.window_days}" if needed > spec.window_days else ""
    return [f"at the present {now:.0f} items a day, {needed} days{longer}"]
