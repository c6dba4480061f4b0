"""What the lake's rows are: the columns of each kind, in order."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from canonry.drift_schemas import DRIFT_SCHEMAS
from canonry.events import ANNOTATION, ENVELOPE, EVENT_TYPES, INFERENCE, EventType, Field, FieldType

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
            ("prompt_name", pa.string()),
            ("prompt_version", pa.string()),
            ("estimand_kind", pa.string()),
            ("cluster", pa.string()),
            ("clusters", pa.int64()),
            ("rest_value", pa.float64()),
            ("rest_low", pa.float64()),
            ("rest_high", pa.float64()),
            ("p_value", pa.float64()),
            ("adjusted_p_value", pa.float64()),
            ("differs", pa.string()),
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
    "streams": pa.schema(
        [
            ("measure", pa.string()),
            ("measured_of", pa.string()),
            ("fields", pa.string()),
            ("slice", pa.string()),
            ("hour", TIME),
            ("value", pa.float64()),
            ("low", pa.float64()),
            ("high", pa.float64()),
            ("hits", pa.int64()),
            ("calls", pa.int64()),
        ]
    ),
    "incidents": pa.schema(
        [
            ("incident_id", pa.string()),
            ("monitor", pa.string()),
            ("measure", pa.string()),
            ("measured_of", pa.string()),
            ("slice", pa.string()),
            ("slice_said", pa.string()),
            ("state", pa.string()),
            ("severity", pa.string()),
            ("owner", pa.string()),
            ("runbook", pa.string()),
            ("said", pa.string()),
            ("value", pa.float64()),
            ("low", pa.float64()),
            ("high", pa.float64()),
            ("objective", pa.float64()),
            ("began_at", TIME),
            ("opened_at", TIME),
            ("updated_at", TIME),
            ("resolved_at", TIME),
            ("opened_times", pa.int64()),
            ("acknowledged_by", pa.string()),
            ("cause", pa.string()),
            ("cause_field", pa.string()),
            ("cause_said", pa.string()),
            ("evidence", pa.string()),
            ("simulated", pa.bool_()),
        ]
    ),
    **DRIFT_SCHEMAS,
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
