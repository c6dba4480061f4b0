"""The answerer: quotes what it retrieved; its newer version really is worse, and cheaper."""

from __future__ import annotations

import datetime as dt

import pytest

from canonry.client import Hit, Prompt
from canonry.demo.answerer import MAX_QUESTION_CHARACTERS, QuestionTooLong, answer
from canonry.demo.assistant import Assistant
from canonry.demo.questions import Question
from canonry.storage import Zones

PROMPT = Prompt("docs-answer", "1", "{passages}\n\n{question}", ("question", "passages"), dt.date(2026, 1, 1), "first")
HITS = [
    Hit("p.fold#0", "p.fold", "p.fold", "p.fold(sheet)\n\nFold the given sheet along its longer side, once.", 0.71),
    Hit("p.cut#0", "p.cut", "p.cut", "p.cut(sheet)\n\nCut the sheet in two.", 0.69),
    Hit("p.glue#0", "p.glue", "p.glue", "p.glue()\n\nGlue it.", 0.4),
]


def test_both_versions_quote_a_passage_that_was_retrieved() -> None:
    for version in ("1.0", "1.1"):
        found = answer(version, "How do I fold a sheet?", HITS, PROMPT)
        assert found.text in " ".join(found.quoted.text.split())
        assert not found.text.startswith(found.quoted.title or "")
        assert found.prompt.endswith("How do I fold a sheet?")


def test_the_new_version_takes_the_shortest_of_what_is_about_as_near() -> None:
    assert answer("1.0", "How do I fold a sheet?", HITS, PROMPT).quoted.document_id == "p.fold"
    assert answer("1.1", "How do I fold a sheet?", HITS, PROMPT).quoted.document_id == "p.cut"


def test_a_question_that_is_too_long_is_refused() -> None:
    with pytest.raises(QuestionTooLong, match="1001 characters"):
        answer("1.0", "x" * (MAX_QUESTION_CHARACTERS + 1), HITS, PROMPT)


def test_on_real_documents_the_new_version_is_worse_and_uses_fewer_tokens(
    product_home: Zones, some_questions: list[Question]
) -> None:
    assistant = Assistant(product_home.home)
    wrong, tokens = {}, {}
    for version in ("1.0", "1.1"):
        replies = [(each, assistant.ask(each.text, version)) for each in some_questions[:120]]
        quoted = [(each, reply.answer.quoted) for each, reply in replies if reply.answer]
        wrong[version] = sum(hit.document_id != each.document_id for each, hit in quoted) / len(quoted)
        tokens[version] = sum(reply.input_tokens for _, reply in replies)
    assert wrong["1.0"] < 0.25
    assert wrong["1.1"] > wrong["1.0"] + 0.1
    assert tokens["1.1"] < tokens["1.0"] / 2


def test_a_call_is_measured_and_a_cached_one_uses_nothing(product_home: Zones, some_questions: list[Question]) -> None:
    assistant = Assistant(product_home.home)
    question = some_questions[0].text
    first = assistant.ask(question, "1.0", cached=True)
    again = assistant.ask(question, "1.0", cached=True)
    refused = assistant.ask(question + " and so on" * 200, "1.0")
    assert first.retrieval_ms is not None and 0 < first.retrieval_ms <= first.latency_ms
    assert first.input_tokens > first.output_tokens > 0
    assert again.cache_hit and again.answer == first.answer and again.input_tokens == 0 and again.retrieval_ms is None
    assert refused.error_type == "question_too_long" and refused.answer is None
    assistant.forget()
    assert not assistant.ask(question, "1.0", cached=True).cache_hit
