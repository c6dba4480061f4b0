"""Scores of answers. `interface` is what every scorer is; the rest, but for the modules named after a kind, is the one
that says how likely an answer says what its passages do not support, and in which sentence.

It is trained from labels in minutes on a processor (scikit-learn, extra `platform`), is a few plain files, and is
evaluated with numpy.
"""

from canonry.score.features import Encode, Rarity, Signals, rarity, signals
from canonry.score.files import ScorerError, from_files, to_files
from canonry.score.groundedness import CrossFitted, Score, Scorer, Span, Trained, cross_fitted, judge, train, weigh
from canonry.score.interface import AnsweredCall, Measured, ScoreCalls
from canonry.score.labeled import FOLDS, Labeled, TooFewLabels
from canonry.score.signals import Answer

__all__ = [
    "FOLDS",
    "Answer",
    "AnsweredCall",
    "CrossFitted",
    "Encode",
    "Labeled",
    "Measured",
    "Rarity",
    "Score",
    "ScoreCalls",
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
