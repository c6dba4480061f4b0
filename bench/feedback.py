"""Coverage of the interval of reweighted feedback in a simulation: raw and reweighted beside each other, known truth.

Users differ in mood and in how many calls they make; who gives feedback depends on the feature, the model, the latency
and the hour. The ratio is the share of misses of the reweighted 95 % interval over the 5 % it promises, where what it
assumes holds. The last kinds break the assumption, and show by how much the figure is then wrong.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bench._report import arguments, report
from canonry.stats.propensity import Refused, bands, fit_response
from canonry.stats.reweighting import Mean, raw_mean, reweighted_mean

KINDS = {
    "nothing selects": "who answers is a matter of chance",
    "covariates select": "feature, model, latency and hour decide how likely an answer is",
    "covariates interact": "so they do, and the newer model's users of one feature press still more",
    "the answer selects": "who is content presses less than half as often: missing not at random",
    "an unlogged fact selects": "experts press more and like less, and nothing logged says who is one",
}
HOLDS = "covariates select"

_FEATURES, _MODELS = np.array([0.5, 0.3, 0.2]), np.array([0.6, 0.4])
_LIKED = np.array([[0.75, 0.65], [0.55, 0.45], [0.35, 0.25]])
TRUTH = float(_FEATURES @ _LIKED @ _MODELS)
"""Share of all simulated answers that their users like: latency, mood and expertise are symmetric around it."""


@dataclass(frozen=True)
class Calls:
    """Simulated calls of one window, with what only a simulation knows: whether those who said nothing liked theirs."""

    covariates: Mapping[str, np.ndarray]
    liked: np.ndarray
    responded: np.ndarray
    user: np.ndarray


def simulate(kind: str, generator: np.random.Generator, users: int = 400) -> Calls:
    """One simulated window of about eight calls a user, of one of KINDS."""
    user = np.repeat(np.arange(users), generator.geometric(1 / 8, users))
    calls = len(user)
    own = generator.choice(3, users, p=_FEATURES)[user]
    feature = np.where(generator.random(calls) < 0.6, own, generator.choice(3, calls, p=_FEATURES))
    model, hour = generator.choice(2, calls, p=_MODELS), generator.choice(4, calls)
    latency = generator.normal(size=calls)
    expert = generator.random(users)[user] < 0.5
    mood = generator.choice([-0.1, 0.1], users)[user]
    chance = _LIKED[feature, model] - 0.08 * np.clip(latency, -1.5, 1.5) + mood
    if kind == "an unlogged fact selects":
        chance += np.where(expert, -0.1, 0.1) - mood
    liked = generator.random(calls) < chance
    logit = -2.2 + 0.6 * feature + 0.5 * model + 0.5 * latency + 0.1 * hour
    if kind == "nothing selects":
        logit = np.full(calls, -1.8)
    elif kind == "covariates interact":
        logit += 0.8 * (model == 1) * (feature == 2)
    elif kind == "the answer selects":
        logit += np.where(liked, -0.8, 0.0)
    elif kind == "an unlogged fact selects":
        logit += np.where(expert, 0.8, 0.0)
    return Calls(
        {"feature": feature, "model": model, "latency": bands(latency), "hour": hour},
        liked.astype(float),
        generator.random(calls) < 1 / (1 + np.exp(-logit)),
        user,
    )


def estimates(calls: Calls) -> tuple[Mean, Mean]:
    """The raw and the reweighted share of answers that were liked."""
    response = fit_response(calls.covariates, calls.responded)
    everyone = np.ones(len(calls.liked), dtype=bool)
    raw = raw_mean(calls.liked[calls.responded], calls.user[calls.responded])
    return raw, reweighted_mean([(response, calls.liked, everyone)], [calls.user])


def coverage(kind: str, replications: int, seed: int = 0) -> tuple[float, float, float, float, float]:
    """Share of simulated windows whose raw, and reweighted, interval holds the truth; both biases; the mean width."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(replications):
        try:
            found.append(estimates(simulate(kind, generator)))
        except Refused:
            continue
    raw, reweighted = zip(*found, strict=True)
    covered, reweighted_covered = (
        float(np.mean([each.low <= TRUTH <= each.high for each in side])) for side in (raw, reweighted)
    )
    bias, reweighted_bias = (float(np.mean([each.value for each in side])) - TRUTH for side in (raw, reweighted))
    width = float(np.mean([each.high - each.low for each in reweighted]))
    return covered, reweighted_covered, bias, reweighted_bias, width


def large_window(calls: int) -> str:
    """How long one fit and estimate of a large window takes, in words."""
    large = simulate(HOLDS, np.random.default_rng(1), users=calls // 8)
    started = time.perf_counter()
    estimates(large)
    return f"{len(large.liked):,} calls in {time.perf_counter() - started:.1f} s"


def main() -> None:
    """Run and print."""
    options = arguments(__doc__, rows=2000, quick_rows=200)
    rows, missed = [], 0.0
    for kind, said in KINDS.items():
        of_raw, of_reweighted, raw_bias, bias, width = coverage(kind, options.rows)
        rows.append((f"{kind}: {said}", of_raw, of_reweighted, raw_bias, bias, width))
        missed = 1 - of_reweighted if kind == HOLDS else missed
    speed = large_window(100_000 if options.quick else 1_000_000)
    print(f"{options.rows:,} simulated windows of some 3,200 calls a kind; true share liked {TRUTH:.3f}; {speed}\n")
    header = ("simulated", "raw covers", "reweighted covers", "raw bias", "bias", "mean width")
    report("feedback", missed / 0.05, "lower", header, rows)


if __name__ == "__main__":
    main()
