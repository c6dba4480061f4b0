"""The catalog: what holds loads, and what does not is told all at once, each as `path: field: message`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from canonry.catalog import KINDS, CatalogError, load
from canonry.catalog.schemas import schema_texts, write

ASSETS = Path(__file__).parents[2] / "assets"

PUSH = {"description": "A product that pushes.", "owner": "a-team", "type": "push"}
MODEL = {
    "description": "A model that answers.",
    "owner": "a-team",
    "role": "chat",
    "provider": "own",
    "stages": [{"stage": "candidate", "since": "2026-01-01", "reason": "first"}],
}
ENCODER = {"package": "p", "path": "m", "sha256": "0" * 64, "dimension": 3, "max_tokens": 100}
INDEX = {
    "description": "An index of pages.",
    "owner": "a-team",
    "documents": {"location": "pages.jsonl"},
    "encoder": "small",
}
SCHEME = {
    "description": "Is it grounded?",
    "owner": "a-team",
    "version": 1,
    "instructions": "Read, then answer.",
    "choices": [{"name": "grounded", "question": "Is it?", "choices": ["yes", "no"]}],
    "sampling": {"strata": ["product"], "per_stratum": 5},
}
EVAL = {
    "description": "How often it is not.",
    "owner": "a-team",
    "metric": "rate",
    "scheme": "grounded",
    "field": "grounded",
    "positive": "no",
    "slices": [["product"]],
}
MONITOR = {
    "description": "It stays low.",
    "owner": "a-team",
    "measure": "quality",
    "of": "rate",
    "slice": ["product"],
    "limit": {"at_most": 0.1},
    "runbook": "docs/runbooks.md#quality",
}


def put(root: Path, name: str, document: object) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return path


def problems(root: Path) -> list[tuple[str, str, str]]:
    with pytest.raises(CatalogError) as caught:
        load(root)
    assert str(caught.value).splitlines() == [
        f"{each.path}: {each.field}: {each.message}" for each in caught.value.problems
    ]
    return [(str(Path(each.path).relative_to(root)), each.field, each.message) for each in caught.value.problems]


def only(root: Path) -> tuple[str, str, str]:
    found = problems(root)
    assert len(found) == 1, found
    return found[0]


def test_what_is_governed_loads_and_every_kind_has_an_example():
    catalog = load(ASSETS)
    assert {kind for kind, _, _ in catalog.items()} == set(KINDS)
    assert all(catalog.path(kind, name).is_file() for kind, name, _ in catalog.items())


def test_schemas_are_fresh_and_every_file_names_its_own(tmp_path):
    assert {path.name: path.read_text() for path in (ASSETS / ".schema").iterdir()} == schema_texts()
    for path in ASSETS.glob("*/*.yaml"):
        first = path.read_text().splitlines()[0]
        assert first == f"# yaml-language-server: $schema=../.schema/{path.parent.name}.json", path
    assert len(write(tmp_path)) == len(KINDS)
    assert write(tmp_path) == []


def test_loading_needs_no_graph_tables_or_engine():
    program = "import sys; from canonry.catalog import load; load('assets'); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ASSETS.parent, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"dagster", "dbt", "duckdb", "pandas", "pyarrow", "numpy", "torch", "faiss", "dagster_project"}


def test_many_broken_files_are_told_all_at_once(tmp_path):
    put(tmp_path, "sources/fine.yaml", PUSH)
    put(tmp_path, "sources/extra.yaml", {**PUSH, "colour": "red"})
    put(tmp_path, "sources/missing.yaml", {"type": "push", "owner": "a-team"})
    put(tmp_path, "sources/kind.yaml", {**PUSH, "type": "pull"})
    put(tmp_path, "sources/list.yaml", "- a\n- b\n")
    put(tmp_path, "sources/empty.yaml", "")
    put(tmp_path, "sources/broken.yaml", "description: [unclosed\n")
    put(tmp_path, "sources/two.yaml", "a: 1\n---\nb: 2\n")
    put(tmp_path, "sources/day.yaml", "description: 2026-13-45\n")
    (tmp_path / "sources/binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    put(tmp_path, "models/twice.yaml", "owner: a\ndescription: b\nowner: c\n")
    put(tmp_path, "indexes/lost.yaml", INDEX)
    put(tmp_path, "sources/other.yml", PUSH)
    put(tmp_path, "sources/deep/er.yaml", PUSH)
    put(tmp_path, "things/a.yaml", PUSH)
    put(tmp_path, "stray.yaml", PUSH)
    put(tmp_path, "sources/a name.yaml", PUSH)
    put(tmp_path, ".hidden/x.yaml", "anything")
    found = {(path, field) for path, field, _ in problems(tmp_path)}
    assert found == {
        ("sources/extra.yaml", "colour"),
        ("sources/missing.yaml", "description"),
        ("sources/kind.yaml", "type"),
        ("sources/list.yaml", "file"),
        ("sources/empty.yaml", "file"),
        ("sources/broken.yaml", "line 2"),
        ("sources/two.yaml", "line 2"),
        ("sources/day.yaml", "file"),
        ("sources/binary.yaml", "file"),
        ("models/twice.yaml", "line 3"),
        ("indexes/lost.yaml", "encoder"),
        ("sources/other.yml", "path"),
        ("sources/deep/er.yaml", "path"),
        ("things/a.yaml", "path"),
        ("stray.yaml", "path"),
        ("sources/a name.yaml", "path"),
    }


def test_a_folder_that_is_not_there_says_where_to_go(tmp_path):
    with pytest.raises(CatalogError, match="nowhere: folder: does not exist; run from the project's root"):
        load(tmp_path / "nowhere")


def test_an_unknown_encoder_names_both_files(tmp_path):
    put(tmp_path, "indexes/pages.yaml", INDEX)
    put(tmp_path, "models/large.yaml", {**MODEL, "role": "encoder", "encoder": ENCODER})
    path, field, message = only(tmp_path)
    assert (path, field) == ("indexes/pages.yaml", "encoder")
    assert str(tmp_path / "models/small.yaml") in message
    assert "large" in message


def test_a_reference_to_a_broken_file_is_told_once_of_that_file(tmp_path):
    put(tmp_path, "indexes/pages.yaml", INDEX)
    put(tmp_path, "models/small.yaml", "role: [")
    assert only(tmp_path)[0] == "models/small.yaml"


def test_an_index_needs_an_encoder_that_sees_a_whole_chunk(tmp_path):
    put(tmp_path, "models/small.yaml", MODEL)
    put(tmp_path, "indexes/pages.yaml", INDEX)
    assert "has role chat, not encoder" in only(tmp_path)[2]
    put(tmp_path, "models/small.yaml", {**MODEL, "role": "encoder", "encoder": ENCODER})
    assert only(tmp_path)[:2] == ("indexes/pages.yaml", "chunking.max_tokens")


def test_a_key_given_twice_deep_inside_is_told_with_its_line(tmp_path):
    put(tmp_path, "sources/a.yaml", "description: A product.\nowner: me\nlookups:\n  a: {key: x, key: y}\n")
    assert only(tmp_path) == ("sources/a.yaml", "line 4", "is not YAML: key 'key' is given twice")


def test_a_key_that_is_a_list_is_told(tmp_path):
    put(tmp_path, "sources/a.yaml", "? [a, b]\n: c\n")
    assert only(tmp_path)[1:] == ("line 1", "is not YAML: a key is not a single word")


@pytest.mark.parametrize("word", ["yes", "no", "on", "off", "Yes", "NO", "y", "n"])
def test_yes_and_no_are_words_as_keys_and_as_values(tmp_path, word):
    scheme = yaml.safe_dump(SCHEME).replace("- 'yes'", f"- {word}").replace("- 'no'", "- other")
    assert f"- {word}\n" in scheme
    put(tmp_path, "schemes/grounded.yaml", scheme)
    assert load(tmp_path).schemes["grounded"].choices[0].choices == (word, "other")
    put(tmp_path, "sources/a.yaml", f"{word}: 1\n" + yaml.safe_dump(PUSH))
    assert only(tmp_path)[:2] == ("sources/a.yaml", word)


def test_true_and_false_stay_what_they_are(tmp_path):
    put(tmp_path, "indexes/a.yaml", yaml.safe_dump(INDEX) + "optional: true\n")
    put(tmp_path, "models/small.yaml", {**MODEL, "role": "encoder", "encoder": {**ENCODER, "max_tokens": 500}})
    assert load(tmp_path).indexes["a"].optional is True


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
