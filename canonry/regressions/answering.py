"""How a model answers items: one small callable, over an OpenAI-compatible endpoint or on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from canonry.completions import Completion, Endpoint, Message, Request, complete, read_kept
from canonry.storage import Storage


class NotAnswered(Exception):
    """A side gave no answer to some items, so there is nothing to compare by; what it answered is kept."""


@dataclass(frozen=True)
class Asked:
    """One item as a model is asked: the whole prompt, and the texts it was made of."""

    prompt: str
    question: str
    passages: tuple[str, ...]


Answer = Callable[[Sequence[Asked]], Sequence[str]]
"""Answers in the order of what is asked. Raises NotAnswered."""


@dataclass
class Endpointed:
    """A model behind an endpoint. What it answered once is taken from the journal, by the digest of the request."""

    endpoint: Endpoint | None
    journal: Storage
    model: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    at_once: int = 4
    answered: Callable[[int], None] | None = None
    """Told of each request that was really asked: how many so far."""
    calls: int = 0
    kept: int = 0

    def __call__(self, asked: Sequence[Asked]) -> list[str]:
        """Ask what is not known. Raises NotAnswered, EndpointError."""
        if self.endpoint is None:
            raise NotAnswered(f"{self.model}: no endpoint is configured")

        def told(_request: Request, _outcome: object) -> None:
            self.calls += 1
            if self.answered:
                self.answered(self.calls)

        before = self.calls
        requests = self.requests(asked)
        outcomes = complete(self.endpoint, requests, journal=self.journal, at_once=self.at_once, answered=told)
        self.kept += len({each.digest for each in requests}) - (self.calls - before)
        failed = [each for each in outcomes if not isinstance(each, Completion)]
        if failed:
            raise NotAnswered(
                f"{self.model}: {len(failed)} of {len(outcomes)} items got no answer: {failed[0].error_type}: "
                f"{failed[0].message}; run it again, the others are kept"
            )
        return [each.text for each in outcomes if isinstance(each, Completion)]

    def requests(self, asked: Sequence[Asked]) -> list[Request]:
        """What is sent for each item."""
        return [Request(self.model, (Message("user", each.prompt),), self.parameters) for each in asked]

    def known(self, asked: Sequence[Asked]) -> list[str | None]:
        """What was answered before; None of what was not."""
        kept = [read_kept(self.journal, request) for request in self.requests(asked)]
        return [each.text if each else None for each in kept]

    def waiting(self, asked: Sequence[Asked]) -> list[Request]:
        """What was not answered before, each once: what a run would cost."""
        different = {each.digest: each for each in self.requests(asked)}
        return [each for each in different.values() if read_kept(self.journal, each) is None]
