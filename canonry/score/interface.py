"""What every scorer is: a function from answered calls to figures. What it needs beside them, it was made with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from canonry.score.signals import Answer


@dataclass(frozen=True)
class AnsweredCall:
    """A call as a scorer sees it."""

    inference_id: str
    answer: Answer
    """What was asked, the passages there were, and what was answered."""
    facts: Mapping[str, str | None] = field(default_factory=dict)
    """product, team, feature, response_model."""
    reference: str | None = None
    """What the answer should have been, where that is known."""
    documents: tuple[str, ...] = ()
    """Ids of the retrieved documents, best first."""
    session: tuple[str | None, str] | None = None
    """Its product and session, where it has one."""


@dataclass(frozen=True)
class Measured:
    """One figure of one call: a row of lake/scores."""

    metric: str
    value: float
    spans: tuple[Mapping[str, int | str], ...] | None = None
    """Characters of the answer that it marks, with their labels; None where it marks nothing by its nature."""


ScoreCalls = Callable[[Sequence[AnsweredCall]], Sequence[Sequence[Measured]]]
"""The figures of each call, in the calls' order. A call that it has nothing to say of has none, and may be asked about
again: without passages, without a reference, over the budget."""
