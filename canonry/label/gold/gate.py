"""The gate before a gold set is promoted: agreement that surely reaches the scheme's floor, in every choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canonry.catalog.specs import Agreement

CANDIDATE = "candidate"
"""Channel of the latest gold set, promoted or not."""


@dataclass(frozen=True)
class Verdict:
    """Whether a gold set is promoted, and why not, a sentence a field; where it is, what its agreement is."""

    passed: bool
    message: str


def judge(datasheet: Mapping[str, Any], rule: Agreement) -> Verdict:
    """What the scheme's rule says of the agreement in a datasheet."""
    failures, passes = [], []
    for row in datasheet["agreement"]:
        field, low = row["field"], row["low"]
        missing = rule.minimum_items - row["items"]
        if missing > 0:
            failures.append(
                f"{field}: {row['items']} items have two answers, and {rule.minimum_items} are needed to measure "
                f"agreement: {missing} are missing"
            )
        elif low is None:
            failures.append(f"{field}: everybody always gave one answer, so agreement beyond chance is not defined")
        elif low < rule.alpha_floor:
            failures.append(
                f"{field}: alpha {row['alpha']:.3f} may be as low as {low:.3f}, which is {rule.alpha_floor - low:.3f} "
                f"below the floor of {rule.alpha_floor:g}"
            )
        else:
            passes.append(f"{field}: alpha {row['alpha']:.3f}, at least {low:.3f}, floor {rule.alpha_floor:g}")
    return Verdict(not failures, "; ".join(failures or passes))
