"""What each kind of document may say: what does not hold is told at its own field, with why."""

from __future__ import annotations

import pytest
import yaml

from canonry.catalog import load
from tests.catalog.documents import EVAL, MODEL, MONITOR, PUSH, SCHEME, only, problems, put


def test_histories_go_forward(tmp_path):
    price = {"input_mtok": "1", "output_mtok": "2", "reason": "contract"}
    days = ["2026-01-01", "2026-03-01", "2026-02-01"]
    put(tmp_path, "models/a.yaml", {**MODEL, "prices": [{**price, "valid_from": day} for day in days]})
    put(tmp_path, "models/b.yaml", {**MODEL, "prices": [{**price, "valid_from": "2026-01-01"}] * 2})
    stage = MODEL["stages"][0]
    put(tmp_path, "models/c.yaml", {**MODEL, "stages": [stage, {**stage, "since": "2025-01-01"}]})
    prompt = {"template": "Answer {question}", "change": "first", "since": "2026-01-01"}
    common = {"description": "A prompt of ours.", "owner": "a-team", "variables": ["question"]}
    put(tmp_path, "prompts/a.yaml", {**common, "versions": [prompt, {**prompt, "template": "Answer."}]})
    assert problems(tmp_path) == [
        ("models/a.yaml", "prices.2", "2026-02-01 does not come after 2026-03-01; append at the end"),
        ("models/b.yaml", "prices.1", "2026-01-01 does not come after 2026-01-01; append at the end"),
        ("models/c.yaml", "stages.1", "2025-01-01 does not come after 2026-01-01; append at the end"),
        ("prompts/a.yaml", "versions.1.template", "does not use question"),
    ]


@pytest.mark.parametrize("value", ["-1", ".nan", ".inf", "1e400", "twelve", "0.0000001"])
def test_a_price_is_a_plain_number(tmp_path, value):
    price = f"{{valid_from: 2026-01-01, input_mtok: {value}, output_mtok: 1, reason: contract}}"
    put(tmp_path, "models/a.yaml", yaml.safe_dump(MODEL) + f"prices: [{price}]\n")
    assert only(tmp_path)[:2] == ("models/a.yaml", "prices.0.input_mtok")


@pytest.mark.parametrize("value", [".nan", "2", "-0.1"])
def test_a_share_lies_between_nothing_and_all(tmp_path, value):
    put(tmp_path, "schemes/grounded.yaml", SCHEME)
    put(tmp_path, "evals/rate.yaml", EVAL)
    put(
        tmp_path,
        "monitors/low.yaml",
        yaml.safe_dump({**MONITOR, "limit": {"at_most": 0}}).replace("at_most: 0", f"at_most: {value}"),
    )
    assert only(tmp_path)[:2] == ("monitors/low.yaml", "limit.at_most")


def test_a_version_belongs_to_one_model(tmp_path):
    for name in ("a", "b"):
        put(tmp_path, f"models/{name}.yaml", {**MODEL, "versions": ["v1"]})
    path, field, message = only(tmp_path)
    assert (path, field) == ("models/b.yaml", "versions")
    assert str(tmp_path / "models/a.yaml") in message


def test_evals_and_monitors_name_what_exists(tmp_path):
    put(tmp_path, "schemes/grounded.yaml", SCHEME)
    put(tmp_path, "evals/rate.yaml", EVAL)
    put(tmp_path, "monitors/low.yaml", MONITOR)
    assert load(tmp_path).evals["rate"].positive == "no"
    put(tmp_path, "evals/field.yaml", {**EVAL, "field": "truth"})
    put(tmp_path, "evals/answer.yaml", {**EVAL, "positive": "perhaps"})
    put(tmp_path, "evals/scheme.yaml", {**EVAL, "scheme": "none"})
    put(tmp_path, "monitors/eval.yaml", {**MONITOR, "of": "none"})
    put(tmp_path, "monitors/slice.yaml", {**MONITOR, "slice": ["team"]})
    assert {(path, field) for path, field, _ in problems(tmp_path)} == {
        ("evals/field.yaml", "field"),
        ("evals/answer.yaml", "positive"),
        ("evals/scheme.yaml", "scheme"),
        ("monitors/eval.yaml", "of"),
        ("monitors/slice.yaml", "slice"),
    }


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"limit": None}, "file", "expected one of limit, budget, change, arms; found none"),
        ({"change": {"find": 0.1}}, "file", "expected one of limit, budget, change, arms; found limit, change"),
        ({"limit": None, "change": {"find": 0.1}}, "file", "quality takes limit, not change"),
        ({"of": None}, "file", "quality needs `of`: which of evals"),
        ({"measure": "error_rate"}, "file", "error_rate takes no `of`"),
        ({"limit": {"at_most": 0.1, "times": 2}}, "limit", "expected one of at_most, at_least, times, times_below"),
        ({"channels": ["https://hooks.example.com/secret"]}, "channels.0", "String should match pattern"),
        ({"runbook": "ask Jo"}, "runbook", "String should match pattern"),
    ],
)
def test_a_monitor_promises_one_thing_that_its_measure_can_keep(tmp_path, change, field, message):
    put(tmp_path, "schemes/grounded.yaml", SCHEME)
    put(tmp_path, "evals/rate.yaml", EVAL)
    put(
        tmp_path, "monitors/a.yaml", {name: value for name, value in {**MONITOR, **change}.items() if value is not None}
    )
    path, where, said = only(tmp_path)
    assert (path, where) == ("monitors/a.yaml", field)
    assert said.startswith(message)


def test_a_word_that_begins_as_a_truth_value_is_a_word(tmp_path):
    put(tmp_path, "schemes/grounded.yaml", SCHEME)
    put(tmp_path, "evals/rate.yaml", EVAL)
    change = {"limit": None, "measure": "error_rate", "of": None, "change": {"false_alarms": 0.01, "find": 0.02}}
    put(
        tmp_path, "monitors/a.yaml", {name: value for name, value in {**MONITOR, **change}.items() if value is not None}
    )
    assert load(tmp_path).monitors["a"].change.false_alarms == 0.01


def test_sources_say_what_their_type_needs(tmp_path):
    drop = {**PUSH, "type": "file_drop", "location": "x", "format": "jsonl"}
    emit = {"event": "inferences", "fields": {"inference_id": "id", "started_at": "at"}}
    put(tmp_path, "sources/fine.yaml", {**drop, "emits": [emit]})
    put(tmp_path, "sources/nothing.yaml", drop)
    put(tmp_path, "sources/push.yaml", {**PUSH, "location": "x"})
    put(tmp_path, "sources/time.yaml", {**drop, "emits": [{**emit, "fields": {"inference_id": "id"}}]})
    put(tmp_path, "sources/query.yaml", {**drop, "emits": [{**emit, "where": "id IN (SELECT id FROM rows)"}]})
    lookup = {"location": "y", "format": "csv", "key": "k"}
    put(tmp_path, "sources/rows.yaml", {**drop, "emits": [emit], "lookups": {"rows": lookup}})
    assert {(path, field) for path, field, _ in problems(tmp_path)} == {
        ("sources/nothing.yaml", "file"),
        ("sources/push.yaml", "file"),
        ("sources/time.yaml", "emits.0.fields"),
        ("sources/query.yaml", "emits.0.where"),
        ("sources/rows.yaml", "lookups.rows"),
    }


def test_a_redaction_that_cannot_work_is_told_where_it_is_written(tmp_path):
    for number, redaction in enumerate(
        [
            {"find": ["email"]},
            {"content": "hide"},
            {"content": "mask", "find": ["email", "name"]},
            {"content": "mask", "patterns": {"Two Words": "a"}},
            {"content": "mask", "phone_regions": ["usa"]},
            {"content": "keep", "find": ["email"]},
        ]
    ):
        put(tmp_path, f"sources/s{number}.yaml", {**PUSH, "redaction": redaction})
    found = {path.removeprefix("sources/"): (field, message) for path, field, message in problems(tmp_path)}
    assert {name: field for name, (field, _) in found.items()} == {
        "s0.yaml": "redaction.content",
        "s1.yaml": "redaction.content",
        "s2.yaml": "redaction.find.1",
        "s3.yaml": "redaction.patterns.Two Words.[key]",
        "s4.yaml": "redaction.phone_regions.0",
        "s5.yaml": "redaction",
    }
    assert found["s5.yaml"][1] == "content: keep looks for nothing; remove find, or say mask"


def test_every_pattern_that_is_wrong_is_told_and_why(tmp_path):
    patterns = {"fine": "E-[0-9]{6}", "open": "(a", "ahead": "(?=a)b", "nothing": "x*", "edge": r"\b", "email": "a@b"}
    put(tmp_path, "sources/a.yaml", {**PUSH, "redaction": {"content": "mask", "patterns": patterns}})
    everywhere = "matches nothing at all, which is everywhere; make it need a character"
    assert problems(tmp_path) == [
        ("sources/a.yaml", f"redaction.patterns.{name}", message)
        for name, message in {
            "ahead": "'(?=a)b' is not an RE2 regular expression: invalid perl operator: (?=",
            "edge": "'\\\\b' " + everywhere,
            "email.[key]": "email is one of `find`; give the pattern another name",
            "nothing": f"'x*' {everywhere}",
            "open": "'(a' is not an RE2 regular expression: missing ): (a",
        }.items()
    ]


def test_a_redaction_that_holds_loads(tmp_path):
    redaction = {"content": "mask", "find": ["email"], "patterns": {"employee": r"\bE-\d{6}\b"}}
    put(tmp_path, "sources/a.yaml", {**PUSH, "redaction": redaction})
    assert load(tmp_path).sources["a"].redaction.model_dump(include=set(redaction)) == {
        "content": "mask",
        "find": ("email",),
        "patterns": {"employee": r"\bE-\d{6}\b"},
    }


def test_drift_names_an_encoder_that_exists(tmp_path):
    drift = {
        "description": "It stays as it was.",
        "owner": "a-team",
        "references": [{"first": "2026-11-02", "last": "2026-11-08", "reason": "The first week."}],
    }
    put(tmp_path, "models/chat.yaml", MODEL)
    put(tmp_path, "drifts/none.yaml", {**drift, "encoder": "none"})
    put(tmp_path, "drifts/chat.yaml", {**drift, "encoder": "chat"})
    assert [(path, field) for path, field, _ in problems(tmp_path)] == [
        ("drifts/chat.yaml", "encoder"),
        ("drifts/none.yaml", "encoder"),
    ]
