"""Questions: each has a document that answers it, and the gate's are none that users ask."""

from __future__ import annotations

from pathlib import Path

from canonry import catalog
from canonry.demo.knowledge import Document
from canonry.demo.products import DAYS, NEW, OLD, PRODUCTS, plan_day
from canonry.demo.questions import GOLDEN_COUNT, TRAFFIC_COUNT, golden_queries, traffic_questions, write_golden
from canonry.index.golden import golden_queries as read_golden
from canonry.stats.paired import pairs_to_rule_out
from canonry.storage import Zones

ASSETS = Path(__file__).parent.parent.parent / "assets"


def test_every_question_is_distinct_and_its_document_exists(documents: list[Document]) -> None:
    known = {each.id for each in documents}
    for questions, count in ((traffic_questions(documents), TRAFFIC_COUNT), (golden_queries(documents), GOLDEN_COUNT)):
        assert len({each.text for each in questions}) == count
        assert {each.document_id for each in questions} <= known


def test_no_question_copies_what_its_document_says_first(documents: list[Document]) -> None:
    summaries = {each.id: each.summary.rstrip(".").lower() for each in documents}
    for question in traffic_questions(documents) + golden_queries(documents):
        assert summaries[question.document_id] not in question.text.lower()


def test_golden_queries_ask_about_other_documents_than_users_in_other_words(documents: list[Document]) -> None:
    traffic, golden = traffic_questions(documents), golden_queries(documents)
    assert {each.document_id for each in traffic}.isdisjoint(each.document_id for each in golden)
    assert {each.text.split()[0] for each in traffic}.isdisjoint(each.text.split()[0] for each in golden)


def test_there_are_enough_golden_queries_for_the_gate_and_the_index_reads_them(
    zones: Zones, documents: list[Document]
) -> None:
    spec = catalog.load(ASSETS).indexes["python-packages"]
    golden = golden_queries(documents)
    assert write_golden(zones.exchange, golden)
    assert not write_golden(zones.exchange, golden)
    assert len(golden) >= pairs_to_rule_out(spec.gate.hit_rate_drop)
    assert [each.query for each in read_golden("python-packages", spec, zones)] == [each.text for each in golden]


def test_a_day_is_planned_the_same_twice_and_the_new_version_comes_half_way(documents: list[Document]) -> None:
    questions = traffic_questions(documents)
    calls = [call for day in DAYS for call in plan_day(day, questions)]
    assert calls == [call for day in DAYS for call in plan_day(day, questions)]
    assert 1_800 <= len(calls) <= 2_500
    assert len({call.trace_id for call in calls}) == len(calls)
    assert {call.version for call in calls if call.asked_at.date() < DAYS[7]} == {OLD}
    assert {call.version for call in calls if call.asked_at.date() > DAYS[10]} == {NEW}
    assert {(call.arm, call.version) for call in calls if call.arm} == {("canary", NEW), ("control", OLD)}
    assert {call.product for call in calls} == set(PRODUCTS)
    assert {call.asked_at.date() for call in calls} == set(DAYS)
