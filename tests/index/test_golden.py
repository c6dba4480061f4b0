"""Golden queries from labels and feedback: with the document that is known, and where they come from."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest

from canonry import lake, release
from canonry.catalog.specs import Gate
from canonry.index.answers import Contender
from canonry.index.asked import Asked, supporting_document
from canonry.index.gate import judge
from canonry.index.golden import Golden, by_provenance, golden_queries
from canonry.index.recall import tunes
from canonry.label.gold.build import ITEMS
from canonry.storage import Zones
from tests.index.asked_calls import DAY, write_calls, write_documents
from tests.index.test_gate import QUERIES, VECTORS, contender

LONG = "Billing runs on the first day of every month and sends an invoice by mail."
OTHER = "Exports are made as Parquet and lie in the bucket of the team."


def asked(answer: str, *retrieved: tuple[str, str]) -> Asked:
    return Asked("?", answer, tuple({"chunk_id": chunk, "text": text, "score": 1.0} for chunk, text in retrieved))


def test_a_document_is_known_where_the_answer_can_only_be_made_from_it() -> None:
    both = (("a#0", LONG), ("b#1", OTHER))
    assert supporting_document(asked(LONG, *both)) == "a"
    assert supporting_document(asked("Exports are made as Parquet.", *both)) == "b"
    assert supporting_document(asked("Something else altogether.", *both)) is None
    assert supporting_document(asked(LONG, ("a#0", LONG), ("c#0", LONG))) is None
    assert supporting_document(asked("No idea.", ("a#0", LONG), ("a#1", OTHER))) == "a"
    assert supporting_document(asked("", *both)) is None
    assert supporting_document(asked(LONG)) is None
    assert supporting_document(asked(LONG, ("no-chunk-of-ours", LONG))) is None


IN_A, IN_B = [("a#0", LONG)], [("b#2", OTHER)]
CALLS: list[dict[str, Any]] = [
    {"id": "i1", "question": "When is billing?", "answer": LONG, "retrieved": [*IN_A, *IN_B], "thumbs": [1]},
    {"id": "i2", "question": "when  is BILLING?", "answer": LONG, "retrieved": IN_A, "thumbs": [1]},
    {"id": "i3", "question": "Disliked?", "answer": LONG, "retrieved": IN_A, "thumbs": [1, -1, -1]},
    {"id": "i4", "question": "Unrated?", "answer": LONG, "retrieved": IN_A},
    {"id": "i5", "question": "Gone?", "answer": LONG, "retrieved": [("gone#0", LONG)], "thumbs": [1]},
    {"id": "i6", "question": "Elsewhere?", "answer": LONG, "retrieved": IN_A, "thumbs": [1], "index_name": "x"},
    {"id": "i7", "question": "Exports?", "answer": OTHER, "retrieved": IN_B, "thumbs": [1]},
]


def test_liked_answers_whose_document_is_known_become_golden_queries(zones: Zones, make_spec: Any) -> None:
    write_documents(zones, "a", "b")
    write_calls(zones, CALLS)
    spec = make_spec(golden_feedback={"signal": "thumb"}, golden_queries=[{"query": "EXPORTS?", "documents": ["c"]}])
    found = golden_queries("help", spec, zones)
    assert [(each.query, set(each.documents), each.provenance) for each in found] == [
        ("EXPORTS?", {"c"}, "spec"),
        ("When is billing?", {"a"}, "feedback"),
    ]
    assert by_provenance(found) == {"feedback": 1, "spec": 1}
    assert found[0].shown == "EXPORTS?"
    assert found[1].shown.startswith("a question from feedback (") and "billing" not in found[1].shown


def test_answers_that_reviewers_found_right_become_golden_queries(zones: Zones, make_spec: Any) -> None:
    write_documents(zones, "a", "b")
    write_calls(zones, CALLS)
    labels = {"gold": "groundedness", "field": "grounded", "value": "yes"}
    spec = make_spec(golden_labels=[labels])
    assert golden_queries("help", spec, zones) == []
    blank = dict.fromkeys(ITEMS.names) | {"field": "grounded", "value": "yes", "split": "train", "day": DAY}
    items = [blank | {"item_id": each, "inference_id": each} for each in ("i4", "i7", "erased")]
    items.append(blank | {"item_id": "i1", "inference_id": "i1", "value": "no"})
    files = {"items.parquet": lake.parquet_bytes(pa.Table.from_pylist(items, schema=ITEMS))}
    now = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
    made = release.publish(zones.published, "gold", "groundedness", files, metadata={}, lineage={}, now=now)
    release.promote(zones.published, "gold", "groundedness", made.version, reason="test", now=now)
    found = golden_queries("help", spec, zones)
    assert [(each.query, set(each.documents), each.provenance) for each in found] == [
        ("Exports?", {"b"}, "labels"),
        ("Unrated?", {"a"}, "labels"),
    ]


@pytest.mark.parametrize("tuned", ["candidate", "released", None])
def test_only_queries_that_tuning_did_not_see_judge(tuned: str | None) -> None:
    golden = [Golden(f"question {number}", frozenset({f"d{number:04d}"})) for number in range(100)]
    seen = [number for number, each in enumerate(golden) if tunes(each.query)]
    assert 10 < len(seen) < 45
    spoilt = QUERIES.copy()
    spoilt[seen] = -QUERIES[seen]
    released, candidate = contender(VECTORS, QUERIES, "old"), contender(VECTORS, spoilt, "new")
    released = Contender("old", released.index, released.golden_vectors, tuned == "released")
    candidate = Contender("new", candidate.index, candidate.golden_vectors, tuned == "candidate")
    found = judge(candidate, golden, released, Gate(hit_rate_drop=0.1))
    assert found.golden == {"spec": 100 if tuned is None else 100 - len(seen)}
    assert found.verdict.passed == (tuned is not None)
    assert (found.compared.got_worse == 0) == (tuned is not None)
