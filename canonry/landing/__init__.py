"""The landing zone: where every event comes in, and how its segments are named, framed and read back."""

from canonry.landing._prepared import MAX_EVENT_BYTES, Prepared, naive_utc
from canonry.landing._segments import (
    Committed,
    Segment,
    frame,
    list_foreign,
    list_segments,
    parse_path,
    raw_path,
    read_committed,
    segment_path,
    segments_of,
)
from canonry.landing._writer import LandingWriter, Receipt, first_day, utc_now

__all__ = [
    "MAX_EVENT_BYTES",
    "Committed",
    "LandingWriter",
    "Prepared",
    "Receipt",
    "Segment",
    "first_day",
    "frame",
    "list_foreign",
    "list_segments",
    "naive_utc",
    "parse_path",
    "raw_path",
    "read_committed",
    "segment_path",
    "segments_of",
    "utc_now",
]
