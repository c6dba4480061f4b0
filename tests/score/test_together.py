"""What a sentence puts together, and whether it is from the passage that was asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict

from canonry.score.signals import read_passages
from canonry.score.text import stem
from canonry.score.together import together

PASSAGES = (
    "Ada met Charles in London. Rain fell. Boats sank. Byron wrote poems in Venice.",
    "The engine computes tables of numbers. It weighs four tonnes.",
)


def _together(*clauses: str, question: str = "") -> dict[str, float]:
    source = read_passages(question, PASSAGES)
    asked = frozenset(map(stem, question.split()))
    return together([each.split() for each in clauses], asked, source, defaultdict(lambda: 1.0))


def test_words_of_one_place_stand_together_and_those_of_two_do_not() -> None:
    assert _together("ada met charles london")["apart"] == 0
    assert _together("ada met byron venice")["apart_count"] == 4


def test_the_longest_run_that_the_nearest_sentences_lack_is_found_in_its_clause() -> None:
    found = _together("ada met charles", "whom friends introduced")
    assert (found["gap"], found["clause_lacks"], found["clause_lacks_words"]) == (3, 1, 3)
    assert _together("ada met charles")["gap"] == 0


def test_a_sentence_from_a_passage_that_was_not_asked_for_lacks_the_question() -> None:
    question = "engine computes tables"
    assert _together("engine computes numbers", question=question)["passage_lacks"] == 0
    assert _together("byron wrote poems", question=question)["passage_lacks"] == 1


def test_every_process_finds_the_same() -> None:
    # More known words than are looked at, each as frequent as the others, half of them in either of two sentences.
    words = [chr(97 + number) * 3 for number in range(26)]
    program = f"""
from collections import defaultdict
from canonry.score.signals import read_passages
from canonry.score.together import together
words = {words}
source = read_passages("", (f"{{' '.join(words[::2])}}. A wall between. A second wall. {{' '.join(words[1::2])}}.",))
print(together([words], frozenset(), source, defaultdict(lambda: 0.1)))
"""
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(3)
    }
    assert len(found) == 1 and "apart_count" in found.pop()
