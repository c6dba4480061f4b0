"""Writes `lake/agreement`: for every day with annotations, how far reviewers agreed in the week and quarter it ends."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from canonry import lake
from canonry.catalog import Catalog, SchemeSpec
from canonry.label.agreement import agreement_rows, known_answer_rows
from canonry.messages import answer_text
from canonry.storage import Storage

WEEK, QUARTER = 7, 91
"""Days of the windows, the partition's own included."""

_INPUTS = ("labels", "annotations", "contents", "known_answers")


@dataclass(frozen=True)
class AgreementWritten:
    """How many days were measured, and of those how many came out other than before."""

    measured: int
    changed: int


@dataclass(frozen=True)
class Floor:
    """Whether agreement reaches what a scheme asks, in words, and the rows that say so."""

    passed: bool
    message: str
    rows: tuple[dict[str, Any], ...]


def write_agreement(lake_zone: Storage, catalog: Catalog) -> AgreementWritten:
    """Measure every day whose annotations, texts or schemes are not those it was measured from."""
    days = sorted({day for kind in ("labels", "annotations", "known_answers") for day in lake.days(lake_zone, kind)})
    digests = {day: _digests(lake_zone, day) for day in days}
    schemes = {f"assets/schemes/{name}": _digest(_measured(spec)) for name, spec in sorted(catalog.schemes.items())}
    stale = []
    for day in days:
        inputs = schemes | {path: digest for each in _window(days, day) for path, digest in digests[each].items()}
        if (lake.manifest(lake_zone, "agreement", day) or {}).get("inputs") != inputs:
            stale.append((day, inputs))
    needed = sorted({each for day, _ in stale for each in _window(days, day)})
    labels = {each: _annotations(lake_zone, each) for each in needed}
    texts = {each: _texts(lake_zone, each, labels[each]) for each in needed}
    known = {each: lake.read(lake_zone, "known_answers", [each]) for each in needed}
    changed = 0
    for day, inputs in stale:
        rows = [
            {"scheme": name, **row}
            for name, spec in sorted(catalog.schemes.items())
            for row in _day_rows(labels, texts, known, _window(days, day), day, name, spec)
        ]
        table = pa.Table.from_pylist(rows, lake.SCHEMAS["agreement"])
        changed += lake.write(lake_zone, "agreement", day, table, {"inputs": inputs})
    return AgreementWritten(len(stale), changed)


def check_floor(lake_zone: Storage, name: str, scheme: SchemeSpec) -> Floor:
    """Whether the interval of every choice's alpha, of the last quarter measured, lies above the scheme's floor."""
    days = lake.days(lake_zone, "agreement")
    rows = [
        row
        for row in lake.read(lake_zone, "agreement", days[-1:]).to_pylist()
        if (row["scheme"], row["scheme_version"], row["window_days"]) == (name, str(scheme.version), QUARTER)
        and row["metric"] == "alpha"
        and row["field"] in {choice.name for choice in scheme.choices}
    ]
    floor = scheme.agreement.alpha_floor
    if not rows:
        return Floor(False, f"no item of version {scheme.version} was answered in the last quarter measured", ())
    lines, passed = [], True
    for row in rows:
        reached = row["refused"] is None and row["interval_low"] >= floor
        passed &= reached
        lines.append(f"{row['field']}: {_said(row)}" + ("" if reached else f"; the floor is {floor}"))
    return Floor(passed, "\n".join(lines), tuple(rows))


def _said(row: dict[str, Any]) -> str:
    counted = f"{row['items']:,} items, {row['annotators']:,} annotators"
    if row["refused"]:
        return f"alpha is not known: {row['refused']}"
    interval = f"{row['confidence']:.0%} interval {row['interval_low']:.2f} to {row['interval_high']:.2f}"
    return f"alpha {row['value']:.2f} ({interval}, {counted})"


def _window(days: list[dt.date], day: dt.date, length: int = QUARTER) -> list[dt.date]:
    return [each for each in days if day - dt.timedelta(days=length) < each <= day]


def _day_rows(
    labels: dict[dt.date, pa.Table],
    texts: dict[dt.date, dict[str, str]],
    known: dict[dt.date, pa.Table],
    days: list[dt.date],
    day: dt.date,
    name: str,
    scheme: SchemeSpec,
) -> Iterable[dict[str, Any]]:
    for length in (WEEK, QUARTER):
        within = _window(days, day, length)
        table = pa.concat_tables([labels[each] for each in within])
        table = table.filter(pc.equal(table["scheme"], name))
        answered = pa.concat_tables([known[each] for each in within])
        answered = answered.filter(pc.equal(answered["scheme"], name))
        kept = {inference: text for each in within for inference, text in texts[each].items()}
        versions = {*table["scheme_version"].drop_null().to_pylist(), *answered["scheme_version"].to_pylist()}
        for version in sorted(versions):
            of_version = table.filter(pc.equal(table["scheme_version"], version))
            common = {
                "scheme_version": version,
                "window_days": length,
                "window_start": day - dt.timedelta(days=length - 1),
                "window_end": day,
            }
            rows = agreement_rows(of_version, kept, scheme, by_annotator=length == QUARTER)
            if length == QUARTER:
                rows += known_answer_rows(answered.filter(pc.equal(answered["scheme_version"], version)), scheme)
            for row in rows:
                yield {**common, **row}


def _annotations(lake_zone: Storage, day: dt.date) -> pa.Table:
    """Annotations of drawn items, and those that came with foreign data, in one table."""
    columns = lake.SCHEMAS["labels"].names
    shared = [name for name in columns if name in lake.SCHEMAS["annotations"].names]
    foreign = lake.read(lake_zone, "annotations", [day], shared)
    return pa.concat_tables([lake.read(lake_zone, "labels", [day]), foreign], promote_options="default")


def _texts(lake_zone: Storage, day: dt.date, labels: pa.Table) -> dict[str, str]:
    contents = lake.read(lake_zone, "contents", [day], ["inference_id", "output_messages"])
    return {
        row["inference_id"]: answer_text(row["output_messages"])
        for row in contents.filter(pc.is_in(contents["inference_id"], labels["inference_id"])).to_pylist()
    }


def _measured(spec: SchemeSpec) -> str:
    return spec.model_dump_json(include={"version", "choices", "spans", "consensus", "agreement"})


def _digests(lake_zone: Storage, day: dt.date) -> dict[str, str]:
    paths = [f"{lake.folder(kind, day)}/{lake.MANIFEST}" for kind in _INPUTS]
    return {f"lake/{path}": _digest(lake_zone.read(path)) for path in paths if lake_zone.head(path)}


def _digest(data: str | bytes) -> str:
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()
