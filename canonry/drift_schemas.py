"""What the lake's rows of drift are: the columns of each kind, in order."""

from __future__ import annotations

import pyarrow as pa

DRIFT_SCHEMAS: dict[str, pa.Schema] = {
    "drift": pa.schema(
        [
            ("drift", pa.string()),
            ("product", pa.string()),
            ("part", pa.string()),
            ("measure", pa.string()),
            ("value", pa.float64()),
            ("typical", pa.float64()),
            ("noise", pa.float64()),
            ("p_value", pa.float64()),
            ("level", pa.float64()),
            ("alarm", pa.bool_()),
            ("reference_start", pa.date32()),
            ("reference_end", pa.date32()),
            ("window_start", pa.date32()),
            ("window_end", pa.date32()),
            ("reference_askers", pa.int64()),
            ("window_askers", pa.int64()),
            ("reference_calls", pa.int64()),
            ("window_calls", pa.int64()),
            ("encoder", pa.string()),
            ("method", pa.string()),
            ("refused", pa.string()),
        ]
    ),
    "drift_topics": pa.schema(
        [
            ("drift", pa.string()),
            ("product", pa.string()),
            ("part", pa.string()),
            ("topic", pa.int64()),
            ("words", pa.string()),
            ("reference_share", pa.float64()),
            ("window_share", pa.float64()),
            ("difference", pa.float64()),
            ("interval_low", pa.float64()),
            ("interval_high", pa.float64()),
            ("p_value", pa.float64()),
            ("found", pa.bool_()),
            # Calls of the window, the most typical first: their text is where every text is, in lake/contents.
            ("examples", pa.list_(pa.string())),
        ]
    ),
    "prompt_drift": pa.schema(
        [
            ("product", pa.string()),
            ("status", pa.string()),
            ("prompt_name", pa.string()),
            ("prompt_version", pa.string()),
            ("nearest_name", pa.string()),
            ("nearest_version", pa.string()),
            ("similarity", pa.float64()),
            ("calls", pa.int64()),
            ("of_calls", pa.int64()),
            # Lines that several calls share; what only one has is left out, as it may be a person's.
            ("changes", pa.string()),
            ("example", pa.string()),
        ]
    ),
    "consistency": pa.schema(
        [
            ("across", pa.string()),
            ("product", pa.string()),
            ("questions", pa.int64()),
            ("disagreeing_questions", pa.int64()),
            ("pairs", pa.int64()),
            ("value", pa.float64()),
            ("interval_low", pa.float64()),
            ("interval_high", pa.float64()),
            ("confidence", pa.float64()),
            ("method", pa.string()),
            ("refused", pa.string()),
        ]
    ),
    # Calls whose answers to one question disagree: their texts are in lake/contents alone.
    "inconsistencies": pa.schema(
        [
            ("one", pa.string()),
            ("other", pa.string()),
            ("one_product", pa.string()),
            ("other_product", pa.string()),
            ("one_model", pa.string()),
            ("other_model", pa.string()),
            ("across", pa.string()),
            ("reason", pa.string()),
            ("cosine", pa.float64()),
            ("calls", pa.int64()),
            ("answers", pa.int64()),
        ]
    ),
}
