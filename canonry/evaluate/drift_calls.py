"""The calls that windows are compared by: some of each product's a day, whole askers drawn by lot."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from canonry import lake
from canonry.catalog.specs.drifts import Part
from canonry.messages import answer_text, question_text
from canonry.retrieval import ANSWERS, retrieved_in_traces
from canonry.storage import Storage

RETRIEVED = 3
"""Passages of a call that are compared: the first, which count most and are embedded at most once each."""

_FACTS = (
    *("feature", "environment", "operation", "response_model", "finish_reason", "error_type"),
    *("prompt_version", "index_version", "arm"),
)
_COLUMNS = ["inference_id", "product", "user_hash", "session_id", "trace_id", "input_tokens", "output_tokens", *_FACTS]


@dataclass(frozen=True)
class DriftCall:
    """A call as it is compared."""

    inference_id: str
    asker: str
    """Who asked on what day: the user, else the session, else the trace, else the call itself."""
    weekend: bool
    facts: Mapping[str, str | None]
    tokens: Mapping[str, int | None]
    question: str
    answer: str
    retrieved: tuple[str, ...]

    def texts(self, part: Part) -> tuple[str, ...]:
        """Texts of a part; none where nothing was said."""
        if part == "retrieved":
            return self.retrieved
        text = self.question if part == "questions" else self.answer
        return (text,) if text else ()

    def length(self, name: str) -> int | None:
        """Characters of a text, or tokens; None where not known."""
        if name in self.tokens:
            return self.tokens[name]
        texts = self.retrieved if name == "retrieved" else (self.question if name == "question" else self.answer,)
        return sum(map(len, texts))


def sampled_calls(
    lake_zone: Storage, day: dt.date, products: Sequence[str], most: int
) -> dict[str, tuple[DriftCall, ...]]:
    """Calls of a day by product, by id: askers by lot until there are `most` calls, and the last asker whole.

    The lot is a digest of asker, product and day, so that a day's sample stays the same whatever else comes.
    """
    rows: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in lake.read(lake_zone, "inferences", [day], _COLUMNS).to_pylist():
        if row["operation"] in (None, *ANSWERS) and (not products or row["product"] in products):
            rows[row["product"]][_asker(row, day)].append(row)
    chosen = {product: _by_lot(askers, most) for product, askers in sorted(rows.items())}
    wanted = {row["inference_id"] for some in chosen.values() for _, row in some}
    contents = _contents(lake_zone, day, wanted)
    return {
        product: tuple(
            _call(row, asker, day, contents.get(row["inference_id"], {}))
            for asker, row in sorted(some, key=lambda each: each[1]["inference_id"])
        )
        for product, some in chosen.items()
    }


def _asker(row: Mapping[str, Any], day: dt.date) -> str:
    kind = next(name for name in ("user_hash", "session_id", "trace_id", "inference_id") if row[name])
    return f"{day} {kind} {row[kind]}"


def _by_lot(askers: Mapping[str, list[dict[str, Any]]], most: int) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    for asker in sorted(askers, key=lambda each: hashlib.blake2b(each.encode(), digest_size=8).digest()):
        if len(found) >= most:
            break
        found += [(asker, row) for row in askers[asker]]
    return found


def _contents(lake_zone: Storage, day: dt.date, wanted: Iterable[str]) -> dict[str, dict[str, Any]]:
    wanted = set(wanted)
    found = {row["inference_id"]: row for row in lake.read(lake_zone, "contents", [day]).to_pylist()}
    found = {identifier: row for identifier, row in found.items() if identifier in wanted}
    unsaid = [identifier for identifier, row in found.items() if not row["retrieved"]]
    of_traces = retrieved_in_traces(lake_zone, day, unsaid) if unsaid else {}
    return {
        identifier: {**row, "retrieved": row["retrieved"] or of_traces.get(identifier, ())}
        for identifier, row in found.items()
    }


def _call(row: Mapping[str, Any], asker: str, day: dt.date, contents: Mapping[str, Any]) -> DriftCall:
    passages = [passage["text"] for passage in contents.get("retrieved") or () if passage["text"]]
    return DriftCall(
        row["inference_id"],
        asker,
        day.weekday() >= 5,
        {name: row[name] for name in _FACTS},
        {name: row[name] for name in ("input_tokens", "output_tokens")},
        question_text(contents.get("input_messages")),
        answer_text(contents.get("output_messages")),
        tuple(passages[:RETRIEVED]),
    )
