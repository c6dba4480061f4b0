"""One comparison from its YAML to its entry in the journal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

from canonry.catalog import Catalog
from canonry.catalog.specs import ComparisonSpec
from canonry.comparisons import CODE_VERSION, Comparison, Flip, keep, spec_digest, standing
from canonry.evaluate.judging import price_of
from canonry.regressions.answering import Endpointed
from canonry.regressions.items import Gold, read_gold
from canonry.regressions.judges import asks_a_model, judge_of, plan_judging
from canonry.regressions.judging import PEOPLE, judge
from canonry.regressions.pricing import PricePlan, plan_calls
from canonry.regressions.rankings import compare_indexes
from canonry.regressions.scorers import compare_scorers
from canonry.regressions.sides import NothingToCompare, Side, sides_of
from canonry.release import NotReleased, resolve
from canonry.stats.verdicts import Verdict, judge_pairs
from canonry.storage import Zones

__all__ = ["NothingToCompare", "OverLimit", "compare", "compare_all", "price_plan", "standing_now"]

Tell = Callable[[int], None]


class OverLimit(Exception):
    """A comparison would cost more than its YAML allows; nothing was asked."""


def compare_all(zones: Zones, catalog: Catalog, kind: str, name: str, *, now: dt.datetime) -> dict[str, Comparison]:
    """Every comparison of one thing that waits, by the name of its eval. Raises as `compare`."""
    found = {}
    for each, spec in catalog.comparisons.items():
        if (spec.candidate.kind, spec.candidate.name) == (kind, name):
            try:
                found[each] = compare(zones, catalog, each, now=now)
            except NothingToCompare:
                continue
    return found


def standing_now(zones: Zones, catalog: Catalog, kind: str, name: str, candidate: str) -> Verdict | None:
    """What its comparisons say of promoting this release over the one in production; None where they need not."""
    try:
        released = resolve(zones.published, kind, name).version
    except NotReleased:
        return None
    if released == candidate:
        return None
    return standing(zones.journal, catalog.comparisons, kind, name, candidate, released)


def compare(
    zones: Zones,
    catalog: Catalog,
    name: str,
    *,
    now: dt.datetime,
    environment: Mapping[str, str] | None = None,
    tell: Tell | None = None,
) -> Comparison:
    """Run a comparison and journal it; one that was made from the same before costs nothing and is that one.

    `tell` hears of every call to a model. Raises NothingToCompare, OverLimit, NotAnswered, EndpointError.
    """
    spec = catalog.comparisons[name]
    try:
        if spec.candidate.kind == "indexes":
            found = compare_indexes(zones, name, spec, catalog.indexes[spec.candidate.name], now)
        elif spec.candidate.kind == "scorers":
            found = compare_scorers(zones, catalog, name, spec, now)
        else:
            found = _compare_answers(zones, catalog, name, spec, now, environment, tell)
    except NotReleased as error:
        raise NothingToCompare(f"{name}: {error}") from None
    return keep(zones.journal, found)


def price_plan(
    zones: Zones,
    catalog: Catalog,
    name: str,
    *,
    now: dt.datetime,
    environment: Mapping[str, str] | None = None,
) -> list[PricePlan]:
    """What a run would ask of each side and of a model that judges, and its price; nothing is asked.

    Without plans for what answers on this machine.

    Raises NothingToCompare, DefinitionError.
    """
    spec = catalog.comparisons[name]
    if not spec.answers:
        return []
    try:
        before, after, _ = sides_of(zones, catalog, spec, now.date(), environment, None)
        gold = read_gold(zones.published, spec)
        return _plans(zones, catalog, spec, gold, (before, after), now.date())
    except NotReleased as error:
        raise NothingToCompare(f"{name}: {error}") from None


def _compare_answers(
    zones: Zones,
    catalog: Catalog,
    name: str,
    spec: ComparisonSpec,
    now: dt.datetime,
    environment: Mapping[str, str] | None,
    tell: Tell | None,
) -> Comparison:
    assert spec.outcome is not None and spec.gold is not None
    before, after, shared = sides_of(zones, catalog, spec, now.date(), environment, tell)
    gold = read_gold(zones.published, spec)
    scorer = judge_of(zones, catalog, spec.outcome, now, environment)
    if scorer and spec.outcome.field is None and not any(scorer.may_judge(item) for item in gold.items):
        raise NothingToCompare(
            f"{name}: {scorer.name} knows the right answer to none of the {len(gold.items):,} questions of "
            f"gold/{spec.gold.scheme} {gold.version}, so it can judge none: add them to its `answers`"
        )
    _refuse_over_limit(spec, name, _plans(zones, catalog, spec, gold, (before, after), now.date()))
    first, second = (list(side.answer(side.ask(gold.items))) for side in (before, after))
    judged = judge(gold, first, second, scorer)
    verdict = judge_pairs(
        judged.before,
        judged.after,
        spec.margin,
        confidence=spec.confidence,
        power=spec.power,
        groups=[item.group for item in judged.items],
        what=spec.metric,
    )
    endpoints = [side.answer for side in (before, after) if isinstance(side.answer, Endpointed)]
    flips = [
        Flip(item.item_id, float(was), float(now_is), by or PEOPLE)
        for item, was, now_is, by in zip(judged.items, judged.before, judged.after, judged.judged_by, strict=True)
        if was != now_is
    ]
    return Comparison(
        name=name,
        kind=spec.candidate.kind,
        of=spec.candidate.name,
        candidate=after.version,
        released=before.version,
        metric=spec.metric,
        verdict=verdict,
        made_from={
            "spec": spec_digest(spec),
            "code": str(CODE_VERSION),
            "gold": f"{spec.gold.scheme} {gold.version}",
            "scorer": scorer.name if scorer else None,
            **shared,
        },
        compared_at=now,
        before=judged.rates[0] if judged.rates else None,
        after=judged.rates[1] if judged.rates else None,
        items=len(gold.items),
        unchanged=judged.unchanged,
        judged_by=dict(judged.counts),
        unjudged=judged.unjudged,
        simulated=judged.simulated,
        flips=tuple(sorted(flips, key=lambda flip: (flip.after - flip.before, flip.item))),
        asked=sum(each.calls for each in endpoints) + (scorer.calls.get("asked", 0) if scorer else 0),
        kept=sum(each.kept for each in endpoints) + (scorer.calls.get("kept", 0) if scorer else 0),
    )


def _plans(
    zones: Zones, catalog: Catalog, spec: ComparisonSpec, gold: Gold, sides: tuple[Side, Side], day: dt.date
) -> list[PricePlan]:
    model = catalog.models[spec.candidate.name if spec.candidate.kind == "models" else spec.answered_with or ""]
    plans = []
    for side in sides:
        if isinstance(side.answer, Endpointed):
            asked = side.ask(gold.items)
            different = len({each.digest for each in side.answer.requests(asked)})
            waiting = side.answer.waiting(asked)
            price = price_of({side.model: model}, model.provider, side.model, day)
            plans.append(plan_calls(side.model, price, len(gold.items), waiting, different - len(waiting)))
    if spec.outcome and asks_a_model(catalog, spec.outcome):
        before, after = (side.known(gold.items) for side in sides)
        plans.append(plan_judging(zones, catalog, spec.outcome, gold, before, after, day))
    return plans


def _refuse_over_limit(spec: ComparisonSpec, name: str, plans: list[PricePlan]) -> None:
    calls = sum(plan.calls for plan in plans)
    if calls > spec.limits.calls:
        raise OverLimit(f"{name}: {calls:,} calls are needed, and limits.calls is {spec.limits.calls:,}")
    if spec.limits.dollars is None or not calls:
        return
    if unpriced := [plan.model for plan in plans if plan.calls and plan.dollars is None]:
        raise OverLimit(
            f"{name}: limits.dollars is {spec.limits.dollars}, and {', '.join(unpriced)} has no known price: write one "
            "under prices of its YAML in assets/models"
        )
    dollars = sum(plan.dollars or 0 for plan in plans)
    if dollars > spec.limits.dollars:
        raise OverLimit(f"{name}: about ${dollars:.4f} is needed, and limits.dollars is {spec.limits.dollars}")
