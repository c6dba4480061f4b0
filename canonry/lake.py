"""What a lake partition is: `KIND/day=D/*.parquet`, its schema, and the manifest that names what it was made from."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from canonry.events import ANNOTATION, ENVELOPE, EVENT_TYPES, INFERENCE, EventType, Field, FieldType
from canonry.storage import NotFound, Storage

MANIFEST = "manifest.json"

TIME = pa.timestamp("us")
"""UTC by contract; no zone in the type, so that every engine reads the same figures."""

MONEY = pa.decimal128(38, 12)
"""US dollars."""

_ARROW: dict[FieldType, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "real": pa.float64(),
    "boolean": pa.bool_(),
    "time": TIME,
    "json": pa.string(),
    "retrieved": pa.list_(pa.struct({"chunk_id": pa.string(), "score": pa.float64(), "text": pa.string()})),
}


def _schema(fields: Iterable[Field]) -> pa.Schema:
    return pa.schema([(field.name, _ARROW[field.type]) for field in fields])


_DRAWN = (
    Field("inclusion_probability", "real", "The probability with which the item was drawn."),
    Field("stratum", "text", "The stratum it was drawn from: JSON of its values by field."),
)

CONTENTS = {"inferences": "contents", "steps": "step_contents"}
"""Kind that holds the text of a kind's events, apart from their facts and by their id."""


def _contents(event: EventType) -> pa.Schema:
    return _schema((*(field for field in event.fields if field.name == event.id_field), *event.contents))


SCHEMAS: dict[str, pa.Schema] = {
    **{name: _schema((*event.fields, *ENVELOPE)) for name, event in EVENT_TYPES.items()},
    # Other ids under which the same call was logged, in the order in which they were received.
    "inferences": _schema((*INFERENCE.fields, *ENVELOPE)).append(pa.field("other_ids", pa.list_(pa.string()))),
    **{contents: _contents(EVENT_TYPES[kind]) for kind, contents in CONTENTS.items()},
    "labels": _schema((*ANNOTATION.fields, *_DRAWN)),
    "known_answers": pa.schema(
        [
            ("annotation_id", pa.string()),
            ("scheme", pa.string()),
            ("scheme_version", pa.string()),
            ("item_id", pa.string()),
            ("draw_id", pa.string()),
            ("annotator_hash", pa.string()),
            ("field", pa.string()),
            ("answer", pa.string()),
            ("known_answer", pa.string()),
            ("updated_at", TIME),
            ("simulated", pa.bool_()),
        ]
    ),
    "charges": pa.schema(
        [
            ("charge_id", pa.string()),
            ("inference_id", pa.string()),
            ("token_kind", pa.string()),
            ("quantity", pa.int64()),
            ("price_per_token", MONEY),
            ("amount", MONEY),
            ("status", pa.string()),
            ("price_id", pa.string()),
            ("price_snapshot", pa.string()),
            ("valid_at", TIME),
            ("known_at", TIME),
        ]
    ),
    "scores": pa.schema(
        [
            ("inference_id", pa.string()),
            ("scorer", pa.string()),
            ("scorer_version", pa.string()),
            ("metric", pa.string()),
            ("value", pa.float64()),
            ("scored_at", TIME),
            # What the scorer marks in the answer, in characters; null where it marks nothing by its nature.
            ("spans", pa.list_(pa.struct({"start": pa.int64(), "end": pa.int64(), "label": pa.string()}))),
            # Whether what gave this score had learnt from a label of the call or of its group; null where not known.
            ("seen_in_training", pa.bool_()),
        ]
    ),
    "estimates": pa.schema(
        [
            ("eval", pa.string()),
            ("metric", pa.string()),
            ("estimand", pa.string()),
            ("slice", pa.string()),
            ("product", pa.string()),
            ("team", pa.string()),
            ("feature", pa.string()),
            ("response_model", pa.string()),
            ("window_start", pa.date32()),
            ("window_end", pa.date32()),
            ("value", pa.float64()),
            ("interval_low", pa.float64()),
            ("interval_high", pa.float64()),
            ("confidence", pa.float64()),
            ("population", pa.int64()),
            ("drawn", pa.int64()),
            ("labels", pa.int64()),
            ("positives", pa.int64()),
            ("method", pa.string()),
            ("refused", pa.string()),
            ("simulated", pa.bool_()),
            ("scheme_version", pa.string()),
            ("undecided", pa.int64()),
            ("worst_case_low", pa.float64()),
            ("worst_case_high", pa.float64()),
            ("estimator", pa.string()),
            ("preferred", pa.bool_()),
            ("scorer", pa.string()),
            ("scorer_version", pa.string()),
            ("coefficient", pa.float64()),
            ("labels_worth", pa.float64()),
        ]
    ),
    "agreement": pa.schema(
        [
            ("scheme", pa.string()),
            ("scheme_version", pa.string()),
            ("field", pa.string()),
            ("metric", pa.string()),
            ("window_days", pa.int64()),
            ("window_start", pa.date32()),
            ("window_end", pa.date32()),
            ("annotator", pa.string()),
            ("other_annotator", pa.string()),
            ("answer", pa.string()),
            ("value", pa.float64()),
            ("interval_low", pa.float64()),
            ("interval_high", pa.float64()),
            ("confidence", pa.float64()),
            ("annotators", pa.int64()),
            ("items", pa.int64()),
            ("answers", pa.int64()),
            ("method", pa.string()),
            ("refused", pa.string()),
            ("simulated", pa.bool_()),
        ]
    ),
    "retries": pa.schema(
        [
            ("inference_id", pa.string()),
            ("started_at", TIME),
            ("asked_again_by", pa.string()),
            ("waited_s", pa.float64()),
            ("edit_distance", pa.float64()),
        ]
    ),
    "feedback_rates": pa.schema(
        [
            ("signal", pa.string()),
            ("slice", pa.string()),
            ("team", pa.string()),
            ("product", pa.string()),
            ("response_model", pa.string()),
            ("window_days", pa.int64()),
            ("window_start", pa.date32()),
            ("window_end", pa.date32()),
            ("estimand", pa.string()),
            ("answers", pa.int64()),
            ("known", pa.int64()),
            ("response_rate", pa.float64()),
            ("people", pa.int64()),
            ("raw_value", pa.float64()),
            ("raw_low", pa.float64()),
            ("raw_high", pa.float64()),
            ("raw_refused", pa.string()),
            ("value", pa.float64()),
            ("interval_low", pa.float64()),
            ("interval_high", pa.float64()),
            ("confidence", pa.float64()),
            ("effective", pa.float64()),
            ("smallest_chance", pa.float64()),
            ("method", pa.string()),
            ("refused", pa.string()),
            ("simulated", pa.bool_()),
        ]
    ),
    "rejected": pa.schema(
        [
            ("kind", pa.string()),
            ("event_id", pa.string()),
            ("source", pa.string()),
            ("received_at", TIME),
            ("reason", pa.string()),
            ("digest", pa.string()),
            ("raw", pa.binary()),
            ("segment", pa.string()),
        ]
    ),
}
"""Columns of every daily kind. A new column is appended; readers unite partitions by name."""

ANCHOR_DAY = dt.date(1970, 1, 1)
"""Day of an empty partition that gives every reader the schema before the first event arrives."""


def folder(kind: str, day: dt.date) -> str:
    """Path of a partition in the lake."""
    return f"{kind}/day={day.isoformat()}"


def ensure_anchors(lake: Storage) -> None:
    """Write the empty partitions that give readers each kind's current schema."""
    for kind, schema in SCHEMAS.items():
        data = parquet_bytes(schema.empty_table())
        path = f"{folder(kind, ANCHOR_DAY)}/empty-{hashlib.sha256(data).hexdigest()[:12]}.parquet"
        if lake.put_if_absent(path, data):
            for entry in list(lake.list(folder(kind, ANCHOR_DAY))):
                if entry.path != path:
                    lake.delete(entry.path)


def manifest(lake: Storage, kind: str, day: dt.date) -> dict[str, Any] | None:
    """What a partition was made from, or None where there is none yet."""
    try:
        return json.loads(lake.read(f"{folder(kind, day)}/{MANIFEST}"))
    except NotFound:
        return None


def put_manifest(lake: Storage, kind: str, day: dt.date, document: Mapping[str, Any]) -> None:
    """Say what a partition was made from: the last step of writing it."""
    lake.put(f"{folder(kind, day)}/{MANIFEST}", json.dumps(document, indent=1, sort_keys=True).encode() + b"\n")


def days(lake: Storage, kind: str) -> list[dt.date]:
    """Days that have rows of this kind, in order."""
    found = {entry.path.split("/")[1].removeprefix("day=") for entry in lake.list(kind)}
    return sorted(day for day in map(dt.date.fromisoformat, found) if day != ANCHOR_DAY)


def write(lake: Storage, kind: str, day: dt.date, table: pa.Table, made_from: Mapping[str, Any]) -> bool:
    """Replace a partition by one file of these rows. False where it already was exactly this.

    `table` needs the columns of SCHEMAS[kind] in any order; its rows are written in the order given.
    """
    data = parquet_bytes(table.select(SCHEMAS[kind].names).cast(SCHEMAS[kind]))
    return commit(lake, kind, day, {"part-0.parquet": data}, {**made_from, "rows": table.num_rows})


def commit(lake: Storage, kind: str, day: dt.date, files: Mapping[str, bytes], made_from: Mapping[str, Any]) -> bool:
    """Make these files the partition: files first, then the manifest, then away with what it no longer names."""
    base = folder(kind, day)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    document = {**made_from, "files": digests}
    present = {entry.path for entry in lake.list(base)}
    wanted = {f"{base}/{name}" for name in (*files, MANIFEST)}
    if manifest(lake, kind, day) == document and present == wanted:
        return False
    for name, data in files.items():
        lake.put(f"{base}/{name}", data)
    put_manifest(lake, kind, day, document)
    for path in present - wanted:
        lake.delete(path)
    return True


def read(
    lake: Storage, kind: str, days: Iterable[dt.date], columns: list[str] | None = None, *, with_day: bool = False
) -> pa.Table:
    """Rows of a kind on these days, in order of day and file; with a `day` column when asked."""
    schema = SCHEMAS[kind]
    if columns is not None:
        schema = pa.schema([schema.field(name) for name in columns])
    parts = []
    for day in days:
        for path in _data_files(lake, kind, day):
            with lake.local_copy(path) as file:
                part = _conform(pq.read_table(file, columns=columns, partitioning=None), schema)
            if with_day:
                part = part.append_column("day", pa.array([day] * part.num_rows, pa.date32()))
            parts.append(part)
    if not parts:
        parts = [(schema.append(pa.field("day", pa.date32())) if with_day else schema).empty_table()]
    return pa.concat_tables(parts)


def parquet_bytes(table: pa.Table) -> bytes:
    """The same bytes for the same rows."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", store_schema=False)
    return buffer.getvalue()


def _data_files(lake: Storage, kind: str, day: dt.date) -> Iterator[str]:
    """Files the manifest names: beside them may lie what a run that broke off has left. Without names, every file."""
    named = (manifest(lake, kind, day) or {}).get("files")
    if named is not None:
        yield from (f"{folder(kind, day)}/{name}" for name in sorted(named))
        return
    for entry in lake.list(folder(kind, day)):
        if entry.path.endswith(".parquet"):
            yield entry.path


def _conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = [
        table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
