"""Verdicts on calls: what was judged before is taken from the journal, the rest is asked as far as the budget goes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from canonry.completions import BACKGROUND, Completion, Endpoint, Failed, Patience, Request, complete, read_kept
from canonry.evaluate.definitions import Definition
from canonry.evaluate.judging.budget import DayBudget, Spent
from canonry.evaluate.judging.ledger import Ledger
from canonry.evaluate.judging.price import NoPrice, Price
from canonry.progress import track
from canonry.score import AnsweredCall, Measured, ScoreCalls
from canonry.score.judged import judge_request, read_verdict
from canonry.storage import Storage

CHARACTERS_A_TOKEN = 4
BATCHES = 8
"""So many times `at_once` requests are set aside from the budget at one time."""


@dataclass
class Judging:
    """What a judge needs beside its definition, and what it has done so far (`counts`, in calls).

    `kept` was judged before, `asked` now; of these `unreadable` gave no verdict; `failed` got no answer; `over_budget`
    and `not_chosen` (outside `share`) were not asked.
    """

    endpoint: Endpoint
    journal: Storage
    ledger: Ledger
    budget: DayBudget
    price: Price | None
    at_once: int = 4
    share: float = 1.0
    patience: Patience = BACKGROUND
    counts: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    """Failed requests by what was wrong, in words."""


def score_by_judge(definition: Definition, judging: Judging, salt: str = "") -> ScoreCalls:
    """A scorer that asks a language model. With another `salt` what was judged before is asked anew.

    Those asked first are chosen by a digest of their ids: where a budget ends, what is scored is a random sample.
    Raises EndpointError where the endpoint refuses everything, and NoPrice for a budget in dollars without a price.
    """
    settings = definition.settings
    if judging.budget.limit.dollars_a_day is not None and judging.price is None:
        provider, model = settings["provider"], settings["model"]
        raise NoPrice(
            f"budget.dollars_a_day: nothing prices {provider}/{model}; write its price in assets/models/, or give "
            f"budget.calls_a_day instead"
        )

    def score(calls: Sequence[AnsweredCall]) -> list[list[Measured]]:
        wanted = chosen(calls, 1.0 if salt else judging.share)
        judging.counts["not_chosen"] += len(calls) - len(wanted)
        requests = {name: judge_request(settings, each, salt) for name, each in wanted.items()}
        found: dict[str, Completion | Failed] = {}
        for name, request in requests.items():
            if kept := read_kept(judging.journal, request):
                found[name] = kept
        judging.counts["kept"] += len(found)
        found |= _ask({name: each for name, each in requests.items() if name not in found}, settings, judging)
        return [_figures(found.get(call.inference_id), settings, judging) for call in calls]

    return score


def chosen(calls: Sequence[AnsweredCall], share: float) -> dict[str, AnsweredCall]:
    """A share of the calls by their ids, in the order of a lot that is always drawn alike."""
    ordered = sorted(calls, key=lambda each: place(each.inference_id))
    return {each.inference_id: each for each in ordered if place(each.inference_id) < share}


def place(identifier: str) -> float:
    """Where an id lies, from 0 to 1: as good as at random, and always the same."""
    return int.from_bytes(hashlib.blake2b(identifier.encode(), digest_size=8, person=b"canonry.judge").digest()) / 2**64


def tokens_of(request: Request) -> int:
    """About how many tokens a request has, by its characters."""
    return sum(len(each.content) for each in request.messages) // CHARACTERS_A_TOKEN + 8


def expected_cost(request: Request, price: Price | None) -> Decimal | None:
    """US dollars at most, by its characters and `max_tokens`."""
    return None if price is None else price.of(tokens_of(request), int(request.parameters.get("max_tokens", 1_000)))


def _ask(requests: dict[str, Request], settings: Mapping[str, Any], judging: Judging) -> dict[str, Completion | Failed]:
    found: dict[str, Completion | Failed] = {}
    judged = {request.digest: name for name, request in reversed(requests.items())}
    names = list(requests)
    size = judging.at_once * BATCHES
    progress = track(range(0, len(names), size), f"judging {len(names):,} answers, {size} at a time") if names else ()
    for start in progress:
        batch = names[start : start + size]
        costs = [expected_cost(requests[name], judging.price) for name in batch]
        fitting, number = judging.budget.set_aside(costs)
        if not fitting:
            judging.counts["over_budget"] += len(names) - start
            break
        spent: list[Completion] = []

        def answered(request: Request, outcome: Completion | Failed, spent: list[Completion] = spent) -> None:
            judging.ledger.log(request, outcome, judged[request.digest])
            if isinstance(outcome, Completion):
                spent.append(outcome)

        try:
            outcomes = complete(
                judging.endpoint,
                [requests[name] for name in batch[:fitting]],
                journal=judging.journal,
                at_once=judging.at_once,
                patience=judging.patience,
                answered=answered,
            )
        finally:
            judging.budget.settle(number, _spent(spent, judging.price))
        found |= dict(zip(batch[:fitting], outcomes, strict=True))
        judging.counts["asked"] += fitting
        if fitting < len(batch):
            judging.counts["over_budget"] += len(names) - start - fitting
            break
        if any(isinstance(each, Failed) and each.error_type == "given_up" for each in outcomes):
            judging.counts["failed"] += len(names) - start - fitting
            break
    return found


def _spent(made: Sequence[Completion], price: Price | None) -> Spent:
    if price is None:
        return Spent(len(made), None)
    dollars = (price.of(each.input_tokens or 0, each.output_tokens or 0) for each in made)
    return Spent(len(made), sum(dollars, Decimal(0)))


def _figures(outcome: Completion | Failed | None, settings: Mapping[str, Any], judging: Judging) -> list[Measured]:
    if outcome is None:
        return []
    if isinstance(outcome, Failed):
        judging.counts["failed"] += 1
        judging.failures[f"{outcome.error_type}: {outcome.message}"] += 1
        return []
    value = read_verdict(outcome.text, settings["verdicts"])
    if value is None:
        judging.counts["unreadable"] += 1
        return []
    return [Measured(settings["metric"], value)]
