"""The documentation assistant as its products run it: canonical index and prompt in, a measured answer out."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from canonry import client
from canonry.client import Hit
from canonry.demo.answerer import MODEL, RETRIEVED, Answer, QuestionTooLong, answer
from canonry.demo.knowledge import INDEX
from canonry.encode import load_encoder

PROMPT = "docs-answer"


@dataclass(frozen=True)
class Reply:
    """One call with what it really took. Tokens are the encoder's; none are used by a failed or cached call."""

    model_version: str
    """Value of response_model."""
    answer: Answer | None
    retrieved: tuple[Hit, ...]
    retrieval_ms: float | None
    latency_ms: float
    input_tokens: int = 0
    output_tokens: int = 0
    error_type: str | None = None
    cache_hit: bool = False


@dataclass
class Assistant:
    """An assistant with the index and prompt that are in production now, and a cache of the answers it gave."""

    home: str | Path
    _answered: dict[tuple[str, str, bool], Reply] = field(default_factory=dict)

    def __post_init__(self) -> None:
        import torch  # seconds: only where something is asked

        self.index = client.open_index(INDEX, home=self.home)
        self.prompt = client.get_prompt(PROMPT, home=self.home)
        self._encoder = load_encoder(self.index.encoder)
        # Two threads embed one short question no sooner, and wait half a second for each other on a busy machine.
        torch.set_num_threads(1)
        # The first question would wait for pages and threads that no later one waits for.
        self.index.search_text("warm up", k=1)

    def ask(
        self,
        question: str,
        version: str,
        *,
        cached: bool = False,
        instruction: str | None = None,
        updated: bool = False,
    ) -> Reply:
        """Answer a question with a version of the answerer; `cached` allows an answer that was given before.

        `instruction` is what a product writes before the canonical prompt; `updated`: as the provider serves that
        version since its silent update.
        """
        started = time.perf_counter()
        if cached and (version, question, updated) in self._answered:
            earlier = self._answered[version, question, updated]
            return Reply(
                earlier.model_version, earlier.answer, earlier.retrieved, None, _milliseconds(started), cache_hit=True
            )
        reply = self._answer(question, version, instruction, started, updated)
        if reply.error_type is None:
            self._answered[version, question, updated] = reply
        return reply

    def forget(self) -> None:
        """Empty the cache of answers."""
        self._answered.clear()

    def _answer(self, question: str, version: str, instruction: str | None, started: float, updated: bool) -> Reply:
        # Both versions of the answerer weigh the cosine, which the score of a hybrid search is not.
        hits = self.index.search_text(question, k=RETRIEVED, mode="dense")
        retrieval_ms = _milliseconds(started)
        name = f"{MODEL}-{version}"
        try:
            prompt = self.prompt
            if instruction:
                prompt = replace(prompt, template=f"{instruction}\n{prompt.template}")
            found = answer(version, question, hits, prompt, updated=updated)
        except QuestionTooLong:
            latency_ms = _milliseconds(started)
            return Reply(name, None, tuple(hits), retrieval_ms, latency_ms, error_type="question_too_long")
        latency_ms = _milliseconds(started)
        tokens = self._encoder.count_tokens([found.prompt, question, found.text])
        return Reply(
            name, found, tuple(hits), retrieval_ms, latency_ms, int(tokens[0] + tokens[1]), output_tokens=int(tokens[2])
        )


def _milliseconds(started: float) -> float:
    return round((time.perf_counter() - started) * 1_000, 3)
