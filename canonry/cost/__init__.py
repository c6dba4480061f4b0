"""The cost stage: tokens times dated prices become `lake/charges`, one row per call and kind of token."""

from canonry.cost.charges import ChargeReport, charge_day
from canonry.cost.prices import PriceError, PriceSnapshot, price_snapshot

__all__ = ["ChargeReport", "PriceError", "PriceSnapshot", "charge_day", "price_snapshot"]
