"""What a comparison would cost, said before anything is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from canonry.completions import Request
from canonry.evaluate.judging import Price

CHARACTERS_A_TOKEN = 4
"""Of English text, about: the model's own tokens are counted when it has answered."""

OUTPUT_TOKENS = 300
"""Taken for an answer whose length no `max_tokens` bounds."""


@dataclass(frozen=True)
class PricePlan:
    """Calls that one model takes, for `items`; tokens are estimates, dollars None without a price."""

    model: str
    """With what it does, where it does not answer."""
    items: int
    calls: int
    kept: int
    input_tokens: int
    output_tokens: int
    dollars: Decimal | None
    at_most: bool = False
    """Whether it may be fewer: how many answers change is not known before they are there."""


def plan_calls(
    model: str, price: Price | None, items: int, waiting: Sequence[Request], kept: int, at_most: bool = False
) -> PricePlan:
    """The plan for requests that wait, beside those whose answers are kept."""
    inputs = sum(len(message.content) for request in waiting for message in request.messages) // CHARACTERS_A_TOKEN
    outputs = sum(int(request.parameters.get("max_tokens", OUTPUT_TOKENS)) for request in waiting)
    dollars = price.of(inputs, outputs) if price else None
    return PricePlan(model, items, len(waiting), kept, inputs, outputs, dollars, at_most)
