"""What a comparison would cost, said before anything is asked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from canonry.catalog import ModelSpec
from canonry.completions import Request

CHARACTERS_A_TOKEN = 4
"""Of English text, about: the model's own tokens are counted when it has answered."""

OUTPUT_TOKENS = 300
"""Taken for an answer whose length no `max_tokens` bounds."""

_MILLION = Decimal(1_000_000)


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
    price = _price(spec, model, day)
    dollars = price[0] * inputs + price[1] * outputs if price else None
    return PricePlan(model, items, len(waiting), different - len(waiting), inputs, outputs, dollars)


def _price(spec: ModelSpec, version: str, day: dt.date) -> tuple[Decimal, Decimal] | None:
    """US dollars of an input and an output token: the catalog's own price, else the public list's."""
    holding = [price for price in spec.prices if price.valid_from <= day]
    if holding:
        return holding[-1].input_mtok / _MILLION, holding[-1].output_mtok / _MILLION
    from genai_prices import Usage, calc_price

    at = dt.datetime.combine(day, dt.time(12), dt.UTC)
    try:
        of = [
            calc_price(usage, model_ref=version, provider_id=spec.provider, genai_request_timestamp=at).total_price
            for usage in (Usage(input_tokens=1_000), Usage(output_tokens=1_000))
        ]
    except LookupError:
        return None
    return of[0] / 1_000, of[1] / 1_000
