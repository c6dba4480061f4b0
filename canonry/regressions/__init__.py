"""Offline regressions: a candidate and what is released, run on the same items, judged alike, and compared.

Like the service and the demo it may import every stage: it asks each to answer for itself, and decides nothing. What
comes of it is a `Comparison` in the journal, which promotion gates read (canonry.comparisons).
"""

from canonry.regressions.answering import Answer, Asked, Endpointed, NotAnswered
from canonry.regressions.planning import ItemPlan, plan_items
from canonry.regressions.pricing import PricePlan
from canonry.regressions.run import OverLimit, compare, compare_all, price_plan, standing_now
from canonry.regressions.sides import NothingToCompare
from canonry.regressions.texts import Text, shown_texts, texts_of

__all__ = [
    "Answer",
    "Asked",
    "Endpointed",
    "ItemPlan",
    "NotAnswered",
    "NothingToCompare",
    "OverLimit",
    "PricePlan",
    "Text",
    "compare",
    "compare_all",
    "plan_items",
    "price_plan",
    "shown_texts",
    "standing_now",
    "texts_of",
]
