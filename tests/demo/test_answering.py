"""The answerer asked about gold items answers as it did when it was called."""

from __future__ import annotations

import pytest

from canonry import client
from canonry.demo.answerer import MODEL, RETRIEVED, VERSIONS, answer
from canonry.demo.answering import answer_here
from canonry.demo.assistant import PROMPT
from canonry.demo.knowledge import INDEX, Document
from canonry.demo.questions import traffic_questions
from canonry.regressions import Asked
from canonry.storage import Zones


@pytest.mark.parametrize("version", VERSIONS)
def test_items_are_answered_from_their_own_passages_as_calls_were(
    version: str, product_home: Zones, some_documents: list[Document]
) -> None:
    index, prompt = client.open_index(INDEX, home=product_home.home), client.get_prompt(PROMPT, home=product_home.home)
    asked, expected = [], []
    for question in traffic_questions(some_documents)[:25]:
        hits = index.search_text(question.text, k=RETRIEVED, mode="dense")
        asked.append(Asked("", question.text, tuple(hit.text for hit in hits)))
        expected.append(answer(version, question.text, hits, prompt).text)
    assert answer_here(product_home.home, f"{MODEL}-{version}", prompt)(asked) == expected


def test_a_passage_that_is_in_no_index_any_more_is_answered_from_all_the_same(product_home: Zones) -> None:
    prompt = client.get_prompt(PROMPT, home=product_home.home)
    asked = Asked("", "What does the old function do?", ("The old function does what it always did, and no more.",))
    assert answer_here(product_home.home, f"{MODEL}-1.0", prompt)([asked]) == [
        "The old function does what it always did, and no more."
    ]
