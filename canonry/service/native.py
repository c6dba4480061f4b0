"""The native form of events: a JSON object, an array of them, or one a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from canonry.service.formats import JSON, MAX_ITEMS, media_type
from canonry.service.outcomes import Outcome
from canonry.service.problems import Problem

NDJSON = "application/x-ndjson"
LINES = (NDJSON, "application/ndjson", "application/jsonl", "application/x-jsonlines")


def parse_batch(body: bytes, content_type: str) -> tuple[list[Any], bool]:
    """Events of a body: documents where it is JSON (True), the bytes of each line where it is a line an event (False).

    A line that is not JSON is an event that will be rejected; a JSON document that is not JSON has no events at all:
    Problem 400. Also Problem 413 and 415.
    """
    kind = media_type(content_type)
    if kind in LINES:
        lines = [line for line in body.split(b"\n") if line and not line.isspace()]
        return _few(lines), False
    if kind != JSON:
        detail = f"content type {kind[:80] or 'none'!r} is not supported; send {JSON} or {NDJSON}"
        raise Problem(415, detail, headers={"Accept": f"{JSON}, {NDJSON}"})
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise malformed(error.lineno, "body", f"is not JSON at column {error.colno}: {error.msg}") from None
    if isinstance(document, dict):
        return [document], True
    if isinstance(document, list):
        return _few(document), True
    raise malformed(1, "body", f"expected an object or an array of objects, found {type(document).__name__}")


def malformed(row: int, field: str, message: str) -> Problem:
    """Problem 400 of a body that cannot be read: where, and what is wrong."""
    detail = f"row {row}: {field}: {message[:200]}"
    return Problem(400, detail, errors=[{"row": row, "field": field, "message": message[:200]}])


def answer(outcomes: Sequence[Outcome]) -> tuple[bytes, dict[str, int]]:
    """The answer's JSON, an outcome an event in the order sent, and the counts in it."""
    counts = count(outcomes)
    results = [{"status": status, "id": identifier, "reason": reason} for status, reason, identifier in outcomes]
    return orjson.dumps({"results": results, **counts}, default=str), counts


def count(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many events were accepted, were duplicates, were rejected."""
    counts = {"accepted": 0, "duplicate": 0, "rejected": 0}
    for outcome in outcomes:
        counts[outcome.status] += 1
    return counts


def _few(events: list[Any]) -> list[Any]:
    if len(events) > MAX_ITEMS:
        raise Problem(413, f"{len(events):,} events, more than {MAX_ITEMS:,}; send smaller batches")
    return events
