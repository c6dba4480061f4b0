"""Agreement of real annotators, against figures computed here by other means; and what is kept of it, day by day."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import krippendorff
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score

from canonry import lake
from canonry.catalog import Catalog, SchemeSpec, SourceSpec
from canonry.collect.file_drop import take_files
from canonry.collect.partition import collect_day
from canonry.label.marks import mark_tokens
from canonry.label.measure import check_floor, write_agreement

NOW = dt.datetime(2026, 11, 20)
DAY = dt.date(2026, 1, 7)

GOVERNED = {"description": "Labels by several people.", "owner": "ai-quality"}


def scheme(fields: dict[str, list[str]], **more) -> SchemeSpec:
    choices = [{"name": name, "question": "Which?", "choices": answers} for name, answers in fields.items()]
    said = {**GOVERNED, "version": 1, "instructions": "Read all of it, then decide.", "choices": choices}
    return SchemeSpec.model_validate({**said, "sampling": {"strata": ["product"], "per_stratum": 1}, **more})


def annotations_of(file: Path, emit: dict[str, str], where: str | None = None, **emits) -> SourceSpec:
    fields = {"scheme": "'s'", "scheme_version": "'foreign'", "created_at": f"'{DAY}T00:00:00Z'", **emit}
    given = [{"event": "annotations", "fields": fields, "where": where}, *emits.values()]
    said = {**GOVERNED, "type": "file_drop", "location": str(file), "format": "jsonl", "emits": given}
    return SourceSpec.model_validate(said)


def measured(zones, spec: SchemeSpec, source: SourceSpec) -> list[dict]:
    """Rows of lake/agreement over a quarter, of annotations that come through a source's YAML."""
    assert not take_files(zones, "people", source, now=NOW).problems
    for kind in ("inferences", "annotations"):
        collect_day(zones, kind, DAY, today=NOW.date())
    write_agreement(zones.lake, Catalog(Path("assets"), schemes={"s": spec}))
    rows = lake.read(zones.lake, "agreement", [DAY]).to_pylist()
    return [row for row in rows if row["window_days"] == 91]


def read(file: Path) -> pd.DataFrame:
    with gzip.open(file, "rt") as lines:
        return pd.DataFrame([json.loads(line) for line in lines])


def test_what_three_workers_said_of_summaries_agrees_as_other_programs_compute(zones, shared_data):
    file = shared_data / "xsum_hallucination" / "factuality_annotations_xsum_summaries.jsonl.gz"
    emit = {
        "annotation_id": "bbcid || '-' || system || '-' || worker_id",
        "item_id": "bbcid || '-' || system",
        "annotator_hash": "worker_id",
        "result": "{'factual': is_factual}",
    }
    source = annotations_of(file, emit, where="is_factual <> 'NULL'")
    rows = measured(zones, scheme({"factual": ["no", "yes"]}), source)
    frame = read(file).query("is_factual != 'NULL'")
    wide = frame.assign(item=frame.bbcid + frame.system).pivot(index="item", columns="worker_id", values="is_factual")
    answers = wide.map({"no": 0.0, "yes": 1.0}.get).to_numpy(dtype=float).T
    (alpha,) = [row for row in rows if row["metric"] == "alpha"]
    assert alpha["value"] == pytest.approx(krippendorff.alpha(answers, level_of_measurement="nominal"))
    several = (~np.isnan(answers)).sum(axis=0) > 1
    assert (alpha["items"], alpha["annotators"]) == (several.sum(), 3)
    assert alpha["answers"] == (~np.isnan(answers[:, several])).sum()
    draw = np.random.default_rng(0)
    again = [krippendorff.alpha(answers[:, draw.integers(0, len(wide), len(wide))]) for _ in range(400)]
    assert (alpha["interval_low"], alpha["interval_high"]) == pytest.approx(
        np.quantile(again, [0.025, 0.975]), abs=0.02
    )
    pairs = {(row["annotator"], row["other_annotator"], row["metric"]): row for row in rows if row["other_annotator"]}
    assert len(pairs) == 2 * 3
    for one, other in combinations(sorted(frame.worker_id.unique()), 2):
        both = wide[[one, other]].dropna()
        found = pairs[one, other, "kappa"]
        assert found["value"] == pytest.approx(cohen_kappa_score(both[one], both[other]))
        assert found["interval_low"] < found["value"] < found["interval_high"] and found["items"] == len(both)
        assert pairs[one, other, "agreement"]["value"] == pytest.approx((both[one] == both[other]).mean())


def test_experts_who_share_no_question_are_given_no_figure_but_the_counts(zones, shared_data):
    file = shared_data / "haluquestqa" / "HaluQuestQA.jsonl.gz"
    emit = {
        "annotation_id": "source_file || rows.file_row",
        "item_id": "md5(question_text)",
        "annotator_hash": "annotator",
        "result": "{'preferred': ans_preference}",
    }
    rows = measured(zones, scheme({"preferred": ["Answer 1", "Answer 2"]}), annotations_of(file, emit))
    frame = read(file)
    shared = (frame.groupby("question_text").annotator.nunique() > 1).sum()
    assert frame.annotator.nunique() == 21 and shared == 0
    (alpha,) = [row for row in rows if row["metric"] == "alpha"]
    assert (alpha["value"], alpha["items"]) == (None, shared)
    assert alpha["refused"] == "0 items with two answers, fewer than 20"
    assert not [row for row in rows if row["other_annotator"]]
    judged = {row["annotator"] for row in rows if row["metric"] == "recall"}
    assert judged == set(frame.annotator)


def test_answers_of_several_aspects_by_the_same_experts_agree_as_other_programs_compute(zones, shared_data, tmp_path):
    """Two readings of one questionnaire, composed: which answer an expert prefers, and which the totals prefer."""
    frame = read(shared_data / "haluquestqa" / "HaluQuestQA.jsonl.gz")
    lines = []
    for row in frame.to_dict("records"):
        total = {"model_answer": row["overall_model_score"], "human_answer": row["overall_human_score"]}
        scores = [total[row[f"ans{number}_label"]] for number in (1, 2)]
        if scores[0] != scores[1]:
            lines += [
                {"item": row["question_text"], "who": "expert", "what": row["ans_preference"]},
                {"item": row["question_text"], "who": "totals", "what": f"Answer {1 + (scores[1] > scores[0])}"},
            ]
    file = tmp_path / "readings.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    emit = {"annotation_id": "md5(item || who)", "item_id": "md5(item)", "annotator_hash": "who"}
    source = annotations_of(file, emit | {"result": "{'preferred': what}"})
    rows = measured(zones, scheme({"preferred": ["Answer 1", "Answer 2"]}), source)
    wide = pd.DataFrame(lines).pivot(index="item", columns="who", values="what")
    codes = (wide == "Answer 2").to_numpy(dtype=float).T
    figures = {row["metric"]: row["value"] for row in rows if row["metric"] in ("alpha", "kappa")}
    assert figures["alpha"] == pytest.approx(krippendorff.alpha(codes, level_of_measurement="nominal"))
    assert figures["kappa"] == pytest.approx(cohen_kappa_score(wide["expert"], wide["totals"]))


def marked(passages: list[tuple[int, int]] | None, start: int, end: int) -> float:
    return np.nan if passages is None else float(any(begin < end and stop > start for begin, stop in passages))


def test_passages_that_three_workers_marked_agree_as_other_programs_compute(zones, shared_data):
    file = shared_data / "xsum_hallucination" / "hallucination_annotations_xsum_summaries.jsonl.gz"
    name = "bbcid || '-' || system"
    # Every row of a worker's reading of a summary gives the whole reading: copies, of which one is kept.
    spans = (
        "list_sort(list({'start': CAST(hallucinated_span_start AS INTEGER) - 1, 'end': "
        "CAST(hallucinated_span_end AS INTEGER) - 1, 'label': hallucination_type}) "
        "OVER (PARTITION BY bbcid, system, worker_id))"
    )
    emit = {
        "annotation_id": f"{name} || '-' || worker_id",
        "item_id": name,
        "inference_id": name,
        "annotator_hash": "worker_id",
        "result": f"{{'spans': {spans}}}",
    }
    call = {
        "inference_id": name,
        "started_at": f"'{DAY}T00:00:00Z'",
        "product": "'xsum'",
        "team": "'t'",
        "output_messages": "[{'role': 'assistant', 'content': summary}]",
    }
    source = annotations_of(file, emit, calls={"event": "inferences", "fields": call})
    rows = measured(zones, scheme({"none": ["a", "b"]}, spans=["extrinsic", "intrinsic"]), source)
    frame = read(file)
    readings = defaultdict(lambda: defaultdict(list))
    texts = {}
    for row in frame.to_dict("records"):
        item = f"{row['bbcid']}-{row['system']}"
        texts[item] = row["summary"]
        mine = readings[item][row["worker_id"]]
        if row["hallucination_type"] == "extrinsic":
            mine.append((int(row["hallucinated_span_start"]) - 1, int(row["hallucinated_span_end"]) - 1))
    workers = sorted(frame.worker_id.unique())
    columns = []
    for item in readings:
        position, text = 0, texts[item]
        for word in text.split():
            position = text.index(word, position)
            end_of_word = position + len(word)
            columns.append([marked(readings[item].get(worker), position, end_of_word) for worker in workers])
            position = end_of_word
    words = np.array(columns).T
    (alpha,) = [row for row in rows if (row["field"], row["metric"]) == ("spans.extrinsic", "alpha")]
    assert alpha["items"] == len(readings) == 2500
    # Words here, words and signs there: the same but for punctuation.
    assert alpha["value"] == pytest.approx(krippendorff.alpha(words, level_of_measurement="nominal"), abs=0.01)
    for one, other in combinations(range(3), 2):
        both = ~np.isnan(words[one]) & ~np.isnan(words[other])
        (found,) = [
            row
            for row in rows
            if (row["field"], row["metric"]) == ("spans.extrinsic", "token_f1")
            and (row["annotator"], row["other_annotator"]) == (workers[one], workers[other])
        ]
        assert found["value"] == pytest.approx(f1_score(words[one, both], words[other, both]), abs=0.01)


def test_marks_are_compared_token_by_token_and_as_whole_passages():
    marks = mark_tokens(["One two, three.", "Four"], [{"a": [(0, 7)], "b": [(4, 7)], "c": []}, {"a": [], "b": []}])
    assert marks.counts.tolist() == [[2, 1], [1, 2], [3, 0], [3, 0], [3, 0], [2, 0]]
    assert marks.cluster.tolist() == [0] * 5 + [1]
    assert (marks.annotators, marks.answers) == (3, 5)
    pair = marks.pairs[0]
    assert (pair.annotator, pair.other_annotator) == ("a", "b")
    assert [each.tolist() for each in pair.tokens] == [[1, 0], [2, 0], [1, 0]]
    assert [each.tolist() for each in pair.spans] == [[0, 0], [1, 0], [1, 0]]


def written(zones, day: dt.date, answers: list[tuple[str, str, str]]) -> None:
    """`lake/labels` of a day: item, annotator, answer."""
    rows = [
        {
            "annotation_id": f"{item}.{who}",
            "scheme": "s",
            "scheme_version": "1",
            "item_id": item,
            "inference_id": item,
            "annotator_hash": who,
            "created_at": dt.datetime.combine(day, dt.time(9)),
            "result": json.dumps({"tone": answer}),
            "cancelled": False,
        }
        for item, who, answer in answers
    ]
    empty = dict.fromkeys(lake.SCHEMAS["labels"].names)
    table = pa.Table.from_pylist([{**empty, **row} for row in rows], lake.SCHEMAS["labels"])
    lake.write(zones.lake, "labels", day, table, {"answers": answers})


def both_say(day: dt.date, items: int, *, differ: int = 0, third: str | None = None) -> list[tuple[str, str, str]]:
    """Answers of two, the last `differ` of which differ by one step, and of a third who says what none of them says."""
    words = ["bad", "fair", "good"]
    answers = []
    for number in range(items):
        item, place = f"{day}-{number}", number % 2
        answers += [(item, "1", words[place]), (item, "2", words[place + (number >= items - differ)])]
        answers += [(item, third, words[2])] if third else []
    return answers


WORDS = {"tone": ["bad", "fair", "good"]}


def ordinal(**more) -> Catalog:
    spec = scheme(WORDS, **more)
    choice = spec.choices[0].model_copy(update={"level": "ordinal"})
    return Catalog(Path("assets"), schemes={"s": spec.model_copy(update={"choices": (choice,)})})


def test_days_are_measured_from_their_past_and_again_only_where_it_changed(zones):
    first, second, far = dt.date(2026, 6, 1), dt.date(2026, 6, 20), dt.date(2026, 11, 1)
    for day in (first, second, far):
        written(zones, day, both_say(day, 30, differ=3))
    assert write_agreement(zones.lake, ordinal()).measured == 3
    before = {day: lake.read(zones.lake, "agreement", [day]) for day in (first, second, far)}
    assert write_agreement(zones.lake, ordinal()).measured == 0
    written(zones, second, both_say(second, 40, differ=9))
    again = write_agreement(zones.lake, ordinal())
    assert (again.measured, again.changed) == (1, 1)
    assert lake.read(zones.lake, "agreement", [first]) == before[first]
    rows = lake.read(zones.lake, "agreement", [second]).to_pylist()
    alphas = {row["window_days"]: row for row in rows if row["metric"] == "alpha"}
    assert (alphas[7]["items"], alphas[91]["items"]) == (40, 70)
    assert alphas[7]["window_start"] == dt.date(2026, 6, 14)
    assert write_agreement(zones.lake, ordinal(agreement={"minimum_items": 50})).changed == 3


def test_the_level_of_a_field_is_what_its_scheme_says(zones):
    written(zones, DAY, both_say(DAY, 60, differ=20))
    answers = np.array([[0, 1] * 30, [0, 1] * 20 + [1, 2] * 10], dtype=float)
    for catalog, level in ((ordinal(), "ordinal"), (Catalog(Path(), schemes={"s": scheme(WORDS)}), "nominal")):
        write_agreement(zones.lake, catalog)
        rows = lake.read(zones.lake, "agreement", [DAY]).to_pylist()
        (alpha,) = [row["value"] for row in rows if (row["metric"], row["window_days"]) == ("alpha", 91)]
        assert alpha == pytest.approx(krippendorff.alpha(answers, level_of_measurement=level))


def test_who_settles_doubt_is_not_measured(zones):
    written(zones, DAY, both_say(DAY, 40, third="judge"))
    for adjudicators, perfect in ((["judge"], True), ([], False)):
        write_agreement(zones.lake, ordinal(consensus={"adjudicators": adjudicators}))
        rows = lake.read(zones.lake, "agreement", [DAY]).to_pylist()
        (alpha,) = [row for row in rows if (row["metric"], row["window_days"]) == ("alpha", 91)]
        assert (alpha["value"] == 1) is perfect


@pytest.mark.parametrize(
    ("items", "differ", "passed", "said"),
    [
        (60, 0, True, "tone: alpha 1.00"),
        (60, 30, False, "the floor is 0.67"),
        (10, 0, False, "10 items with two answers, fewer than 20"),
    ],
)
def test_a_scheme_reaches_its_floor_where_the_interval_lies_above_it(zones, items, differ, passed, said):
    written(zones, DAY, both_say(DAY, items, differ=differ))
    catalog = ordinal()
    write_agreement(zones.lake, catalog)
    floor = check_floor(zones.lake, "s", catalog.schemes["s"])
    assert floor.passed is passed and said in floor.message
    assert floor.rows[0]["items"] == items


def test_a_scheme_that_nobody_labeled_has_not_reached_its_floor(zones):
    assert not check_floor(zones.lake, "s", scheme(WORDS)).passed
