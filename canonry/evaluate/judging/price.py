"""What a call to a model costs, to keep a budget by: the catalog's own price, else the public list's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from canonry.catalog import ModelSpec

_MILLION = 1_000_000


class NoPrice(ValueError):
    """A budget in dollars needs a price; the message says where to write one."""


@dataclass(frozen=True)
class Price:
    """US dollars a token."""

    input: Decimal
    output: Decimal

    def of(self, input_tokens: int, output_tokens: int) -> Decimal:
        """US dollars of a call. Cached tokens count as others: a budget errs towards less."""
        return self.input * input_tokens + self.output * output_tokens


def price_of(models: Mapping[str, ModelSpec], provider: str, model: str, day: dt.date) -> Price | None:
    """The price that holds on a day; None where nobody says one, which is not 0."""
    for name, spec in models.items():
        if spec.provider == provider and model in (name, *spec.versions):
            holding = [price for price in spec.prices if price.valid_from <= day]
            if holding:
                return Price(holding[-1].input_mtok / _MILLION, holding[-1].output_mtok / _MILLION)
    return _listed(provider, model, day)


def _listed(provider: str, model: str, day: dt.date) -> Price | None:
    from genai_prices import Usage, calc_price

    def dollars(usage: Usage) -> Decimal:
        at = dt.datetime.combine(day, dt.time(12), dt.UTC)
        return calc_price(usage, model_ref=model, provider_id=provider, genai_request_timestamp=at).total_price

    # A thousand at a time: the price of a million may be that of a tier for long texts.
    try:
        return Price(dollars(Usage(input_tokens=1_000)) / 1_000, dollars(Usage(output_tokens=1_000)) / 1_000)
    except LookupError:
        return None
