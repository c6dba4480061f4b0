"""The sources of `assets/` take their real files whole: what is in the lake is what the raw files count."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from canonry import lake
from canonry.catalog import load
from canonry.collect.file_drop import take_files
from canonry.storage import Zones
from tests.collect.making import AFTER, NOON, collect_all, ids, rows

ASSETS = Path(__file__).parents[2] / "assets"


def raw(path: Path) -> list[dict]:
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture
def governed(zones: Zones, shared_data: Path, monkeypatch: pytest.MonkeyPatch):
    """Takes a governed source's real files into the lake."""
    monkeypatch.setenv("CANONRY_DATA", str(shared_data))
    monkeypatch.setenv("CANONRY_FIRST_DAY", "2023-01-01")
    sources = load(ASSETS).sources

    def taken(name: str):
        report = take_files(zones, name, sources[name], now=NOON)
        collect_all(zones, today=AFTER)
        assert not report.problems and not report.unreadable
        assert not lake.days(zones.lake, "rejected")
        return report

    return taken


def test_ragtruth_counts_are_those_of_the_raw_files(zones: Zones, governed, shared_data):
    responses = raw(shared_data / "ragtruth" / "responses.jsonl.gz")
    sources = {each["source_id"]: each for each in raw(shared_data / "ragtruth" / "sources.jsonl.gz")}
    report = governed("ragtruth")
    assert report.events == {"inferences": len(responses), "annotations": len(responses)}
    calls, labels = rows(zones, "inferences"), rows(zones, "annotations")
    assert len({row["trace_id"] for row in calls}) == len({each["source_id"] for each in responses})
    assert Counter(row["response_model"] for row in calls) == Counter(each["model"] for each in responses)
    model = {row["inference_id"]: row["response_model"] for row in calls}
    assert Counter(
        model[row["inference_id"]] for row in labels if json.loads(row["result"])["groundedness"] == "hallucinated"
    ) == Counter(each["model"] for each in responses if each["labels"])
    split = Counter(json.loads(row["attributes"])["split"] for row in calls)
    assert split == Counter(sources[each["source_id"]]["split"] for each in responses)
    texts = {row["inference_id"]: row for row in rows(zones, "contents")}
    for each in responses[::97]:
        text = texts[f"ragtruth-{each['source_id']}-{each['model']}"]
        assert json.loads(text["output_messages"])[0]["content"] == each["response"]
        assert text["retrieved"][0]["text"]


def test_halueval_counts_are_those_of_the_raw_file(zones: Zones, governed, shared_data):
    answers = raw(shared_data / "halueval_general" / "general_data.jsonl.gz")
    governed("halueval-general")
    labels = [json.loads(row["result"])["groundedness"] for row in rows(zones, "annotations")]
    assert len(ids(zones, "inferences")) == len({each["ID"] for each in answers})
    assert Counter(labels) == Counter(
        "hallucinated" if each["hallucination"] == "yes" else "grounded"
        for each in {each["ID"]: each for each in answers}.values()
    )


def test_the_azure_trace_is_taken_row_for_row_and_token_for_token(zones: Zones, governed, shared_data):
    with gzip.open(shared_data / "azure_llm_trace_2023" / "AzureLLMInferenceTrace_code.csv.gz", "rt") as lines:
        requests = list(csv.DictReader(lines))
    governed("azure-llm-trace")
    calls = rows(zones, "inferences")
    assert len(calls) == len(requests)
    assert sum(row["input_tokens"] for row in calls) == sum(int(each["ContextTokens"]) for each in requests)
    assert sum(row["output_tokens"] for row in calls) == sum(int(each["GeneratedTokens"]) for each in requests)
    first = min(requests, key=lambda each: each["TIMESTAMP"])["TIMESTAMP"]
    assert min(row["started_at"] for row in calls) == dt.datetime.fromisoformat(first[:26])
    assert lake.days(zones.lake, "inferences") == [dt.date(2023, 11, 16)]
