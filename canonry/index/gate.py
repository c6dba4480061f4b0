"""The gate: a candidate must find what exact search finds, and answer golden queries no worse than what is released.

What golden queries are compared by is in answers.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from canonry.catalog.specs import Gate
from canonry.index.answers import MEASURES, NAMES, Compared, Contender, HitRate, Measure, Worse, compare
from canonry.index.golden import Golden, by_provenance
from canonry.index.recall import Recall, asked, measure_recall, rows_to_judge_by, tunes
from canonry.index.soundness import Check
from canonry.stats.verdicts import Verdict, first, gravest, same


@dataclass(frozen=True)
class GateReport:
    """Whether a candidate may be released, why in words, and what a person should know all the same."""

    passed: bool
    reasons: tuple[str, ...]
    flags: tuple[str, ...]
    recall_at_10: Recall | None
    """None where the candidate cannot be opened."""
    hit_rate_at_10: HitRate | None
    """On golden queries; None where there are none."""
    released_version: str | None
    """What it was compared with."""
    measures: dict[str, Measure] = field(default_factory=dict)
    """nDCG@10, recall@100 and MRR on golden queries."""
    worse: tuple[Worse, ...] = ()
    """Golden queries that got worse, the worst first."""
    verdict: Verdict | None = None
    """The gravest of what golden queries say; None where there are none."""
    checks: tuple[Check, ...] = ()
    """What it must be apart from what it finds."""
    golden: dict[str, int] = field(default_factory=dict)
    """Golden queries that it was judged by, by where they come from; none of them had a say in how it was made."""

    def to_metadata(self) -> dict[str, Any]:
        """As JSON values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def check(
    candidate: Contender,
    vectors: np.ndarray,
    golden: list[Golden],
    released: Contender | None,
    limits: Gate,
    checks: Sequence[Check] = (),
) -> GateReport:
    """Judge a candidate. `vectors` (chunks, d) are what it was built from; `released` answers the same `golden`.

    `checks`: what was found of it otherwise, see soundness.py; one that is not passed keeps it from being released.
    """
    unseen = [row for row, each in enumerate(golden) if not tunes(each.query)]
    queries = asked(vectors, candidate.golden_vectors[unseen], rows_to_judge_by(len(vectors)))
    recall = measure_recall(candidate.index.vectors.faiss, vectors, queries)
    compared_with = released.version if released else None
    recall_passed, recall_reason = _judge_recall(recall, limits)
    passed = recall_passed and all(each.passed for each in checks)
    reasons = (recall_reason, *(each.message for each in checks if not each.passed))
    if not golden:
        flag = "there are no golden queries: nothing shows whether the right documents are found; add golden_queries"
        return GateReport(passed, reasons, (flag,), recall, None, compared_with, checks=tuple(checks))
    found = judge(candidate, golden, released, limits)
    compared = found.compared
    flags = list(found.flags)
    if compared.hit_rate_at_10.unanswerable:
        flags.append(f"{compared.hit_rate_at_10.unanswerable} golden queries name no document that the candidate has")
    if released is None:
        flags.append("first release: there is no released version to compare with")
    return GateReport(
        passed and found.verdict.passed,
        (*reasons, *found.reasons),
        tuple(flags),
        recall,
        compared.hit_rate_at_10,
        compared_with,
        compared.measures,
        compared.worse,
        found.verdict,
        tuple(checks),
        found.golden,
    )


def refused(reason: str, released_version: str | None) -> GateReport:
    """Of a candidate that cannot even be opened."""
    return GateReport(False, (reason,), (), None, None, released_version)


@dataclass(frozen=True)
class Judged:
    """What golden queries say of a version beside another: of several figures the gravest verdict, and all in words."""

    verdict: Verdict
    reasons: tuple[str, ...]
    flags: tuple[str, ...]
    compared: Compared
    golden: dict[str, int]
    """Queries asked, by where they come from."""


def judge(candidate: Contender, golden: list[Golden], released: Contender | None, limits: Gate) -> Judged:
    """Judge how a version answers golden queries, of which there must be one.

    Where golden queries had a say in how either version was made, only those that had none are asked.
    """
    if candidate.tuned or (released and released.tuned):
        rows = [row for row, each in enumerate(golden) if not tunes(each.query)] or list(range(len(golden)))
        golden = [golden[row] for row in rows]
        candidate = candidate.asked_only(rows)
        released = released and released.asked_only(rows)
    count = by_provenance(golden)
    compared = compare(candidate, golden, released, limits)
    if released is None:
        return Judged(first("no version is released yet"), _measured(compared), (), compared, count)
    if released.version == candidate.version:
        return Judged(same(), (same().message,), (), compared, count)
    differences = [compared.hit_rate_at_10.difference, *(each.difference for each in compared.measures.values())]
    verdicts = [each for each in differences if each is not None]
    reasons = tuple(f"to released {released.version}: {each.message}" for each in verdicts)
    flags = (_named(compared),) if compared.got_worse else ()
    return Judged(gravest(verdicts), (*_measured(compared), *reasons), flags, compared, count)


def _judge_recall(recall: Recall, limits: Gate) -> tuple[bool, str]:
    passed = recall.low >= limits.recall_at_10
    measured = f"recall@10 is {recall.value:.3f} on {recall.queries} queries"
    bound = " (the index is exact)" if recall.exact else f", at least {recall.low:.3f} with 95 % confidence"
    advice = "as required" if passed else "too low: choose a faiss_factory that finds more"
    return passed, f"{measured}{bound}; required {limits.recall_at_10:.3f}: {advice}"


def _measured(compared: Compared) -> tuple[str, ...]:
    rate = compared.hit_rate_at_10
    means = ", ".join(f"{NAMES[name]} {compared.measures[name].candidate:.3f}" for name in MEASURES)
    return (f"golden hit rate@10 is {rate.candidate:.3f} on {rate.queries} queries, {means}",)


def _named(compared: Compared) -> str:
    """The queries that got worse, the worst first, with the place of their first right document before and after."""
    shown = "; ".join(
        f"{each.query!r} {_place(each.first_right_before)} → {_place(each.first_right_after)}"
        for each in compared.worse[:_NAMED]
    )
    more = f"; and {compared.got_worse - _NAMED} more" if compared.got_worse > _NAMED else ""
    return (
        f"{compared.got_worse} golden queries got worse and {compared.got_better} better; the first right document of "
        f"{shown}{more}"
    )


def _place(place: int | None) -> str:
    return "none" if place is None else f"{place}."


_NAMED = 5
