"""What a comparison would cost, said before anything is asked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from canonry.catalog import ModelSpec
from canonry.completions import Request
from canonry.evaluate.judging.price import price_of

CHARACTERS_A_TOKEN = 4
"""Of English text, about: the model's own tokens are counted when it has answered."""

OUTPUT_TOKENS = 300
"""Taken for an answer whose length no `max_tokens` bounds."""


@dataclass(frozen=True)
class PricePlan:
    """Calls that one side of a comparison takes, of `items`; tokens are estimates, dollars None without a price."""

    model: str
    items: int
    calls: int
    kept: int
    input_tokens: int
    output_tokens: int
    dollars: Decimal | None


def plan_calls(
    model: str, spec: ModelSpec, items: int, waiting: Sequence[Request], different: int, day: dt.date
) -> PricePlan:
    """The plan for requests that wait, of so many different ones."""
    inputs = sum(len(message.content) for request in waiting for message in request.messages) // CHARACTERS_A_TOKEN
    outputs = sum(int(request.parameters.get("max_tokens", OUTPUT_TOKENS)) for request in waiting)
    price = price_of({model: spec}, spec.provider, model, day)
    dollars = price.of(inputs, outputs) if price else None
    return PricePlan(model, items, len(waiting), different - len(waiting), inputs, outputs, dollars)
