"""Judges: asking a language model for verdicts, within a budget, with every call in the ledger."""

from canonry.evaluate.judging.ask import Judging, score_by_judge
from canonry.evaluate.judging.budget import DayBudget, Spent
from canonry.evaluate.judging.ledger import PRODUCT, SOURCE, Ledger
from canonry.evaluate.judging.price import NoPrice, Price, price_of

__all__ = [
    "PRODUCT",
    "SOURCE",
    "DayBudget",
    "Judging",
    "Ledger",
    "NoPrice",
    "Price",
    "Spent",
    "price_of",
    "score_by_judge",
]
