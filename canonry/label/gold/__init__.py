"""Gold sets: what reviewers agree on, split once for ever, with a datasheet, and promoted where they agree enough."""

from canonry.label.gold.build import GoldSet, gold_set
from canonry.label.gold.gate import CANDIDATE, Verdict, judge
from canonry.label.gold.splits import SPLITS

__all__ = ["CANDIDATE", "SPLITS", "GoldSet", "Verdict", "gold_set", "judge"]
