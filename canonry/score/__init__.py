"""Scores of answers: how likely it is that one says what its passages do not support, and in which sentence.

A scorer is trained from labels in minutes on a processor (scikit-learn, extra `platform`), is a few plain files, and is
evaluated with numpy.
"""

from canonry.score.features import Encode, Rarity, Signals, rarity, signals
from canonry.score.files import ScorerError, from_files, to_files
from canonry.score.groundedness import (
    Labeled,
    Score,
    Scorer,
    Span,
    TooFewLabels,
    Trained,
    cross_fitted,
    judge,
    train,
    weigh,
)
from canonry.score.signals import Answer

__all__ = [
    "Answer",
    "Encode",
    "Labeled",
    "Rarity",
    "Score",
    "Scorer",
    "ScorerError",
    "Signals",
    "Span",
    "TooFewLabels",
    "Trained",
    "cross_fitted",
    "from_files",
    "judge",
    "rarity",
    "signals",
    "to_files",
    "train",
    "weigh",
]
