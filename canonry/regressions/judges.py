"""Released scorers as judges of answers: a trained one by its threshold, any other by which of its values are good."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from canonry.catalog import Catalog
from canonry.catalog.specs import GroundednessSpec, JudgeSpec, Outcome
from canonry.completions import configured_endpoint, read_kept
from canonry.evaluate.crossed import read_crossed
from canonry.evaluate.definitions import read_definition
from canonry.evaluate.judging import price_of
from canonry.evaluate.ready import Prepared, encoder_of, prepare_scorer
from canonry.evaluate.scorers import KIND
from canonry.regressions.answering import NotAnswered
from canonry.regressions.items import Gold, Item
from canonry.regressions.judging import Judge, needs_scorer
from canonry.regressions.pricing import CHARACTERS_A_TOKEN, OUTPUT_TOKENS, PricePlan, plan_calls
from canonry.release import resolve
from canonry.score import Answer, AnsweredCall
from canonry.score.judged import judge_request
from canonry.storage import Zones

Answers = Sequence[str | None]
"""Of a side, (n,); None of those that are not known yet."""


def judge_of(
    zones: Zones, catalog: Catalog, outcome: Outcome, now: dt.datetime, environment: Mapping[str, str] | None = None
) -> Judge | None:
    """The scorer in production that an outcome names, as a judge; None where people alone judge.

    Raises NotReleased, DefinitionError; NotConfigured and NoPrice of a language model.
    """
    if outcome.scorer is None:
        return None
    spec = catalog.scorers[outcome.scorer]
    if isinstance(spec, GroundednessSpec):
        return _trained(zones, catalog, outcome.scorer, spec.positive == outcome.good)
    moment = now.replace(tzinfo=None)
    prepared = prepare_scorer(zones, catalog, outcome.scorer, moment, endpoint=lambda: configured_endpoint(environment))
    return _defined(prepared, outcome)


def plan_judging(
    zones: Zones, catalog: Catalog, outcome: Outcome, gold: Gold, before: Answers, after: Answers, day: dt.date
) -> PricePlan:
    """What a language model would be asked to judge both sides of every item that changed and people do not settle.

    An answer that is not known yet is taken to change, and to be of the usual length: so many calls at most.
    """
    assert outcome.scorer is not None
    settings = read_definition(resolve(zones.published, KIND, outcome.scorer)).settings
    open_items = [
        each
        for each in zip(gold.items, before, after, strict=True)
        if each[1] is None or each[2] is None or needs_scorer(gold, each[0], each[1], each[2])
    ]
    texts = [(item, text) for item, *sides in open_items for text in sides]
    known = [(item, text) for item, text in texts if text is not None]
    assumed = [(item, "." * CHARACTERS_A_TOKEN * OUTPUT_TOKENS) for item, text in texts if text is None]
    different = {each.digest: each for each in (judge_request(settings, call) for call in _calls(known))}
    waiting = [each for each in different.values() if read_kept(zones.journal, each) is None]
    price = price_of(catalog.models, settings["provider"], settings["model"], day)
    return plan_calls(
        f"{settings['model']}, which judges as {outcome.scorer}",
        price,
        len(open_items),
        [*waiting, *(judge_request(settings, call) for call in _calls(assumed))],
        kept=len(different) - len(waiting),
        at_most=bool(assumed),
    )


def asks_a_model(catalog: Catalog, outcome: Outcome) -> bool:
    """Whether the scorer of an outcome is a language model."""
    return isinstance(catalog.scorers.get(outcome.scorer or ""), JudgeSpec)


def _trained(zones: Zones, catalog: Catalog, name: str, positive_is_good: bool) -> Judge:
    release = resolve(zones.published, KIND, name)
    crossed, encode = read_crossed(release), encoder_of(catalog, release.manifest.metadata["encoder"])

    def good(answers: Sequence[tuple[Item, str]]) -> list[bool | None]:
        asked = _calls(answers)
        scores = crossed.score(asked, crossed.folds(asked), encode)
        return [(score.value >= crossed.scorer.threshold) == positive_is_good for score in scores]

    return Judge(f"{name} {release.version}", good, lambda item: not crossed.seen(_calls([(item, "")])))


def _defined(prepared: Prepared, outcome: Outcome) -> Judge:
    ready, judging, where = prepared.ready, prepared.judging, outcome.good_where
    assert where is not None, "the catalog asks for it"
    if judging:
        judging.share = 1.0

    def good(answers: Sequence[tuple[Item, str]]) -> list[bool | None]:
        found = []
        for figures in ready.score(_calls(answers)):
            values = [each.value for each in figures if each.metric == where.metric]
            found.append(where.holds(values[0]) if values else None)
        if judging and (left := judging.counts["over_budget"] + judging.counts["failed"]):
            why = judging.failures.most_common(1)
            said = why[0][0] if why else "its budget of the day is spent"
            raise NotAnswered(f"{ready.name}: gave no verdict on {left:,} answers: {said}; the others are kept")
        return found

    def may_judge(item: Item) -> bool:
        return ready.wants(_calls([(item, "")])[0])

    return Judge(f"{ready.name} {ready.version}", good, may_judge, judging.counts if judging else {})


def _calls(answers: Sequence[tuple[Item, str]]) -> list[AnsweredCall]:
    """Answers that nobody has called: no scorer has learned them, but perhaps others to their questions."""
    return [
        AnsweredCall(f"{item.item_id} answer {at}", Answer(item.question, item.passages, text), item.facts)
        for at, (item, text) in enumerate(answers)
    ]
