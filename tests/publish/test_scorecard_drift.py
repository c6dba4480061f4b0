"""Drift, prompts and consistency on the page: figures, examples of products that allow it, nothing that may run."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa

from canonry import lake
from canonry.publish import publish_tables
from canonry.publish.scorecard import PATH, publish_scorecard
from canonry.storage import Zones
from tests.evaluate.asked import call, write_calls
from tests.scorecard_home import NOW, publish_marts
from tests.scorecard_rows import DAYS

LAST = DAYS[-1]
HOSTILE = "<script>alert(1)</script>"


def put(zones: Zones, kind: str, *rows: dict[str, Any], day: dt.date = LAST) -> None:
    lake.write(zones.lake, kind, day, pa.Table.from_pylist(list(rows), lake.SCHEMAS[kind]), {})


def measured(part: str, p_value: float | None, **other: Any) -> dict[str, Any]:
    windows = {"reference_start": DAYS[0], "reference_end": DAYS[2], "window_start": DAYS[3], "window_end": LAST}
    counts = {"reference_askers": 90, "window_askers": 30, "reference_calls": 120, "window_calls": 40}
    found = {"value": 3.0, "noise": 1.5, "typical": 1.0} if p_value is not None else {}
    said = {"drift": "d", "product": "docs", "part": part, "measure": "embedding", "level": 2e-5, "p_value": p_value}
    return {**said, **windows, **counts, **found, "alarm": p_value and p_value <= 2e-5, **other}


def write_drift(zones: Zones) -> None:
    put(
        zones,
        "drift",
        measured("questions", 1e-7),
        measured("answers", 0.4),
        measured("retrieved", None, refused="12 askers"),
    )
    put(zones, "drift", measured("questions", 0.2), day=DAYS[-2])
    tests = lake.read(zones.lake, "drift", DAYS[-2:], with_day=True)
    publish_tables(zones, {"drift_daily": tests}, now=NOW, lineage={})
    grown = {"words": "refund, invoice", "reference_share": 0.0, "window_share": 0.31, "difference": 0.31}
    sure = {"interval_low": 0.18, "interval_high": 0.44, "p_value": 0.0002}
    topic = {"drift": "d", "product": "docs", "part": "questions", "topic": 1, **grown, **sure}
    put(
        zones,
        "drift_topics",
        {**topic, "found": True, "examples": [f"{LAST}-0001"]},
        {**topic, "topic": 2, "words": "not grown", "found": False, "examples": []},
    )
    prompt = {"product": "docs", "of_calls": 40, "prompt_name": "answer", "prompt_version": "1111"}
    nearest = {"nearest_name": "answer", "nearest_version": "1111", "similarity": 1.0}
    put(
        zones,
        "prompt_drift",
        {**prompt, "status": "registered", "calls": 30},
        {**prompt, **nearest, "status": "changed", "calls": 10, "changes": " Answer briefly.\n+Greet them first."},
    )
    share = {"questions": 54, "disagreeing_questions": 10, "pairs": 180, "confidence": 0.95}
    surely = {"value": 0.185, "interval_low": 0.104, "interval_high": 0.308}
    few = {"questions": 3, "disagreeing_questions": 0, "pairs": 4, "refused": "3 questions, at least 10 are needed"}
    put(zones, "consistency", {"across": "models", **share, **surely}, {"across": "products", **few})
    shares = lake.read(zones.lake, "consistency", [LAST], with_day=True)
    publish_tables(zones, {"consistency_daily": shares}, now=NOW, lineage={})
    models = {"one_model": "m-1", "other_model": "m-2", "across": "models", "reason": "meaning", "cosine": 0.2}
    pair = {"one": f"{LAST}-0002", "other": f"{LAST}-0003", "one_product": "docs", "other_product": "docs"}
    put(zones, "inconsistencies", {**pair, **models, "calls": 9, "answers": 2})
    questions = ["", f"Where is my refund? alice@example.com {HOSTILE}", "How do I reset it?", "how do i reset it"]
    answers = ["", "Ask us.", "Press the red button.", "Nobody knows."]
    write_calls(
        zones.lake, LAST, [call(LAST, each, questions[each], answers[each], product="docs") for each in (1, 2, 3)]
    )


def shown(zones: Zones, *products: str) -> str:
    publish_scorecard(zones, labels=[], candidates=[], shows_texts=lambda product: product in products, now=NOW)
    return zones.published.read(PATH).decode()


def test_alarms_topics_changed_prompts_and_disagreeing_answers_are_shown(zones: Zones) -> None:
    publish_marts(zones)
    write_drift(zones)
    page = shown(zones, "docs")
    assert "docs differs from 2–4 Nov 2026 in questions (p at most 1e-07)." in page
    assert "refund, invoice" in page and "not grown" not in page
    assert "Where is my refund? [email] &lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert HOSTILE not in page and "alice@example.com" not in page
    assert "docs uses a prompt that is registered nowhere, in 25.0% of its calls." in page
    assert " Answer briefly.\n+Greet them first." in page
    assert "10.4% to 30.8%" in page and "3 questions, at least 10 are needed" in page
    assert all(text in page for text in ("Press the red button.", "Nobody knows.", "How do I reset it? (9 calls)"))
    assert page.count("<details") == page.count("</details>") >= 4


def test_texts_of_products_that_do_not_allow_it_are_not_shown(zones: Zones) -> None:
    publish_marts(zones)
    write_drift(zones)
    page = shown(zones, "another")
    assert "refund, invoice" in page and "18.5%" in page
    assert not any(text in page for text in ("Where is my refund", "Press the red button.", "Nobody knows."))


def test_without_any_measure_the_page_says_how_it_comes_to_be(zones: Zones) -> None:
    page = shown(zones)
    assert "assets/drifts says which days are the reference" in page
    assert "No question was asked more than once yet." in page
