"""What an estimate is about and how it was made, in words."""

from __future__ import annotations

import numpy as np

from canonry.catalog import EvalSpec
from canonry.evaluate.sample import UNLABELED, Sample
from canonry.evaluate.slices import Slice


def estimand(spec: EvalSpec, sample: Sample, part: Slice, population: int) -> str:
    """The share or rate of what, with how many calls it is of."""
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
    values = part.values.items()
    where = ", ".join(f"{field}={value}" if value is not None else f"no {field}" for field, value in values)
    count = f"{population:,}" if part.strata is not None or len(part.calls) else f"about {population:,}"
    calls = f"the {count} answered calls {when}{of_products}{f' in {where}' if where else ''}"
    if spec.estimand == "calls":
        return f'share of {calls} that reviewers would call "{spec.positive}"'
    together = f", calls of one {spec.cluster} coming together" if spec.cluster else ""
    return f'rate at which reviewers would call answers like those to {calls} "{spec.positive}"{together}'


def method(
    spec: EvalSpec,
    sample: Sample,
    part: Slice,
    strata: int,
    covered: float,
    effective: float,
    clusters: int | None,
    worst_case: tuple[float, float],
) -> str:
    """How the interval was made from a slice's labels, and what it takes for granted."""
    labeled = part.items & (sample.outcome != UNLABELED)
    by = " by ".join(("day", *sample.strata[0]))
    said = [
        f"stratified random draws, {strata} strata ({by}), weights N_h / n_h labeled"
        if "poisson" not in sample.designs
        else f"{' and '.join(sample.designs)} draws, {strata} strata ({by}), weights 1 / pi, made to sum to "
        "the calls of each stratum's values",
        f"Korn-Graubard interval, {effective:.1f} effective labels",
    ]
    if spec.estimand == "rate":
        alone = "the calls taken as independent of each other"
        groups = f"labels of {clusters} clusters by {spec.cluster}, taken as independent of each other"
        said.append(f"the calls themselves left to chance, {alone if clusters is None else groups}")
    if missing := int(np.sum(part.items & ~labeled)):
        counts = {"tied": np.sum(part.items & sample.tied), "skipped": np.sum(part.items & sample.skipped)}
        told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        said.append(
            f"{missing} drawn items without a label{f' ({told})' if told else ''} taken as missing at random "
            f"within their stratum: {labeled.sum() / part.items.sum():.0%} answered"
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
