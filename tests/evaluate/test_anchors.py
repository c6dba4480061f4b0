"""A judge that is swapped and a product that gets worse move the same figure; the anchors tell which it was."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa

from canonry import lake, release
from canonry.catalog import Catalog, MonitorSpec
from canonry.catalog.specs import Anchors, JudgeSpec
from canonry.evaluate.anchors import JudgeShift, anchor_items, judge_shifts, read_readings
from canonry.evaluate.causes import explain_change
from canonry.evaluate.measures.anchors import anchors
from canonry.evaluate.measures.explained import explain, judge_cause
from canonry.evaluate.scoring import score_day
from canonry.release import Release
from canonry.storage import Zones
from tests.completions.stand_in import StandIn, error
from tests.evaluate.judge_stand_in import harsh, judging_with, sensible
from tests.evaluate.judges import judge, prepared

FIRST = dt.date(2026, 11, 1)
CHANGE = 4
DAYS = [FIRST + dt.timedelta(days=each) for each in range(7)]
ANCHORS = {"scheme": "support", "field": "support", "positive": "unsupported", "most": 30}
SPEC: JudgeSpec = judge(anchors=ANCHORS)


def publish_gold(zones: Zones, extra: str = "") -> Release:
    """Sixty items of the test split, every third a lie; and a training item that is no anchor."""
    rows = [
        {
            "item_id": f"item-{each}",
            "split": "train" if each == 60 else "test",
            "question": f"What of {each}?",
            "passages": ["It opens at nine."],
            "answer": f"It opens at nine{'x' * (each % 7)}{extra}." + (" Llamas: llama." if each % 3 == 0 else ""),
            "field": "support",
            "value": "unsupported" if each % 3 == 0 else "supported",
        }
        for each in range(61)
    ]
    now = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
    files = {"items.parquet": lake.parquet_bytes(pa.Table.from_pylist(rows))}
    made = release.publish(zones.published, "gold", "support", files, metadata={}, lineage={}, now=now)
    release.promote(zones.published, "gold", "support", made.version, reason="made for this test", now=now)
    return made


def write_day(zones: Zones, day: dt.date, worse: bool) -> None:
    """Twenty answers of two products; where `worse`, a new model of one of them lies every other time."""
    calls, contents = [], []
    for each in range(20):
        product = f"product-{each % 2}"
        lies = each % 10 == 0 or (worse and each % 2 == 1 and each % 4 == 1)
        calls.append(
            {
                "inference_id": f"{day}-{each}",
                "operation": "chat",
                "started_at": dt.datetime.combine(day, dt.time(12)),
                "product": product,
                "request_model": "m",
                "response_model": "m-2" if worse and each % 2 == 1 else "m-1",
            }
        )
        answer = f"Today {day} {'y' * each}." + (" A llama said so." if lies else "")
        contents.append(
            {
                "inference_id": f"{day}-{each}",
                "input_messages": json.dumps([{"role": "user", "content": "Q?"}]),
                "output_messages": json.dumps([{"role": "assistant", "content": answer}]),
                "retrieved": [{"chunk_id": "p", "score": None, "text": "It opens at nine."}],
            }
        )
    for kind, rows in (("inferences", calls), ("contents", contents)):
        lake.write(zones.lake, kind, day, pa.Table.from_pylist(rows, lake.SCHEMAS[kind]), {})


def live_through(zones: Zones, server: StandIn, *, swapped: bool, worse: bool) -> None:
    """A week, each day read and scored on its own day; what changes does so on the same day."""
    publish_gold(zones)
    for number, day in enumerate(DAYS):
        server.behave = judging_with(harsh if swapped and number >= CHANGE else sensible)
        found = prepared(zones, SPEC, server.url, dt.datetime.combine(day, dt.time(20)))
        assert found.read_anchors
        reading = found.read_anchors(day)
        assert reading is not None and len(reading.values) == 30
        write_day(zones, day, worse and number >= CHANGE)
        score_day(zones.lake, found.ready, day)


def monitor(measure: str, of: str, **objective: dict) -> MonitorSpec:
    document = {"description": "Made for this test only.", "owner": "ai-quality", "measure": measure, "of": of}
    return MonitorSpec.model_validate(
        {**document, "runbook": "docs/runbooks.md", **(objective or {"change": {"find": 0.2}})}
    )


def midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time())


def calls_with_scores(zones: Zones, days: list[dt.date]) -> pd.DataFrame:
    columns = ["inference_id", "product", "request_model", "response_model"]
    calls = lake.read(zones.lake, "inferences", days, columns).to_pandas()
    scores = lake.read(zones.lake, "scores", days, ["inference_id", "value"]).to_pandas()
    return calls.merge(scores, on="inference_id")


def test_a_swapped_judge_is_called_the_judge(zones: Zones, server: StandIn) -> None:
    live_through(zones, server, swapped=True, worse=False)
    (shift,) = judge_shifts(read_readings(zones.journal, "support"))
    assert shift.since == DAYS[CHANGE] and shift.seen <= DAYS[CHANGE + 1] and len(shift.versions) == 1
    before, since = (calls_with_scores(zones, days) for days in (DAYS[:CHANGE], DAYS[CHANGE:]))
    assert since["value"].mean() > before["value"].mean() + 0.2
    cause = judge_cause(since["value"].mean() - before["value"].mean(), [shift])
    assert cause and cause.kind == "judge" and cause.explained > 0.6
    assert "the model behind it is not" in cause.said and str(DAYS[CHANGE]) in cause.said
    # And so say the monitors: of the score that moved, and of the anchors themselves.
    found, _ = explain(zones, monitor("score", "unsupported"), {}, midnight(DAYS[CHANGE]), midnight(DAYS[-1]))
    assert found is not None and found.kind == "judge"
    (finding,) = anchors(zones, Catalog(Path("assets")), monitor("anchors", "support"), midnight(DAYS[-1]))
    assert finding.state == "broken" and finding.cause and finding.cause.kind == "judge"
    assert finding.since == midnight(DAYS[CHANGE])
    (early,) = anchors(zones, Catalog(Path("assets")), monitor("anchors", "support"), midnight(DAYS[CHANGE]))
    assert early.state == "holds"


def test_a_worse_product_is_not_blamed_on_the_judge(zones: Zones, server: StandIn) -> None:
    live_through(zones, server, swapped=False, worse=True)
    readings = read_readings(zones.journal, "support")
    assert judge_shifts(readings) == [] and {each.agreement for each in readings} == {1.0}
    before, since = (calls_with_scores(zones, days) for days in (DAYS[:CHANGE], DAYS[CHANGE:]))
    assert since["value"].mean() > before["value"].mean() + 0.15
    cause = explain_change(before, since, "value")
    assert (cause.kind, cause.field) == ("provider", "response_model")
    found, _ = explain(zones, monitor("score", "unsupported"), {}, midnight(DAYS[CHANGE]), midnight(DAYS[-1]))
    assert found is not None and found.kind == "provider"
    (finding,) = anchors(zones, Catalog(Path("assets")), monitor("anchors", "support"), midnight(DAYS[-1]))
    assert (finding.state, finding.value) == ("holds", 1.0)
    limit = monitor("anchors", "support", limit={"at_least": 0.95})
    assert anchors(zones, Catalog(Path("assets")), limit, midnight(DAYS[-1]))[0].state == "holds"


def test_a_judge_is_named_where_it_explains_half_of_a_change() -> None:
    shift = JudgeShift("s", "positive", FIRST, FIRST, 0.1, 0.4, 0.1, 0.4, 30, 1e-6, ("v",))

    assert judge_cause(0.4, [shift]) is not None
    assert judge_cause(0.8, [shift]) is None
    # The judge became harsher, and the figure fell all the same.
    assert judge_cause(-0.3, [shift]) is None


def test_anchors_are_asked_anew_every_day_and_stay_the_same_items(zones: Zones, server: StandIn) -> None:
    gold = publish_gold(zones)
    found = prepared(zones, SPEC, server.url)
    assert found.read_anchors
    first = found.read_anchors(DAYS[0])
    assert found.read_anchors(DAYS[0]) == first and len(server.requests) == 30
    publish_gold(zones, extra=" o'clock")
    second = found.read_anchors(DAYS[1])
    assert len(server.requests) == 60
    assert first and second and second.values == first.values and second.gold == gold.version
    items = anchor_items(gold, Anchors.model_validate(ANCHORS))
    assert len(items) == 30 and "item-60" not in {call.inference_id for call, _ in items}


def test_a_reading_with_too_few_scores_is_not_kept(zones: Zones, server: StandIn) -> None:
    publish_gold(zones)
    server.behave = lambda document, number: error(400, "no")
    found = prepared(zones, SPEC, server.url)
    assert found.read_anchors and found.read_anchors(DAYS[0]) is None
    assert not list(zones.journal.list("anchors"))
    server.behave = judging_with(sensible)
    assert found.read_anchors(DAYS[0]) is not None
    # The anchors' own scores are in no table of what products answered.
    assert lake.read(zones.lake, "scores", [DAYS[0]]).num_rows == 0


def test_another_version_of_the_scorer_is_a_swap_that_names_itself(zones: Zones, server: StandIn) -> None:
    publish_gold(zones)
    for number, day in enumerate(DAYS):
        spec = SPEC if number < CHANGE else SPEC.model_copy(update={"prompt_version": 2})
        server.behave = judging_with(harsh if number >= CHANGE else sensible)
        found = prepared(zones, spec, server.url, dt.datetime.combine(day, dt.time(20)))
        assert found.read_anchors and found.read_anchors(day)
    (shift,) = judge_shifts(read_readings(zones.journal, "support"))
    assert len(shift.versions) == 2 and "scorer_version went from" in shift.said
