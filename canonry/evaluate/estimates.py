"""Estimates: what reviewers would say of every call of a window, from those they were asked about, and how sure."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from canonry import lake
from canonry.catalog import Catalog, EvalSpec
from canonry.evaluate.contrasts import compare_with_rest
from canonry.evaluate.frame import Frame, read_frame
from canonry.evaluate.human_only import from_labels
from canonry.evaluate.powered import with_scores
from canonry.evaluate.response import StratumResponse, response_by_stratum
from canonry.evaluate.sample import Sample, read_sample
from canonry.evaluate.scores import Scores, read_scores
from canonry.evaluate.slices import Slice, slice_name, slices_of
from canonry.labels import SLICE_FIELDS
from canonry.storage import Zones


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
        frame = read_frame(zones, spec, sample)
        scores = read_scores(zones, spec, sample, frame)
        rows += estimate_sample(name, spec, sample, day, frame, scores)
        for each in (frame, scores):
            made_from |= each.made_from if each else {}
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
    frame = read_frame(zones, spec, sample)
    return estimate_sample(name, spec, sample, day, frame, read_scores(zones, spec, sample, frame))


def window_of(spec: EvalSpec, day: dt.date) -> list[dt.date]:
    """Days of the window that ends on a day."""
    return [day - dt.timedelta(days=back) for back in reversed(range(spec.window_days))]


def estimate_sample(
    name: str,
    spec: EvalSpec,
    sample: Sample,
    day: dt.date,
    frame: Frame | None = None,
    scores: Scores | None = None,
) -> list[dict[str, Any]]:
    """Rows of `lake/estimates`: one a slice of the eval and combination of its values, in order. A pure function.

    With scores there are two, one from the labels alone and one from both; `preferred` is the one that monitors read,
    and that is compared with the rest. An eval with scores or `estimand: rate` needs the frame.
    """
    window = window_of(spec, day)
    rows = []
    for fields in spec.slices:
        said = {
            "eval": name,
            "metric": spec.metric,
            "slice": slice_name(fields),
            "window_start": window[0],
            "window_end": window[-1],
            "confidence": spec.confidence,
            "scheme_version": None if sample.scheme_version is None else str(sample.scheme_version),
        }
        parts = list(slices_of(sample, frame, fields))
        compared = []
        for part in parts:
            human, powered = _estimators(spec, sample, frame, scores, part)
            found = [said | dict(part.values) | row for row in (human, powered) if row is not None]
            rows += found
            if fields and len(parts) > 1:
                rest = [row for row in _estimators(spec, sample, frame, scores, part.rest) if row is not None]
                compared.append((_preferred(found), _preferred(rest)))
        compare_with_rest(compared)
    return sorted(rows, key=lambda row: [row.get(column) or "" for column in _ORDER])


_ORDER = ("eval", "slice", *SLICE_FIELDS, "estimator")


def _estimators(
    spec: EvalSpec, sample: Sample, frame: Frame | None, scores: Scores | None, part: Slice
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The row from a slice's labels alone and, where there are scores, the one from both."""
    human = from_labels(spec, sample, frame, part) | {"estimator": "human_only", "preferred": True}
    if scores is None or frame is None:
        return human, None
    powered = with_scores(spec, sample, frame, scores, part, human) | {"estimator": "prediction_powered"}
    powered["preferred"] = spec.preferred == "prediction_powered" and powered["refused"] is None
    human["preferred"] = not powered["preferred"]
    return human, powered


def _preferred(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return next(row for row in rows if row["preferred"])
