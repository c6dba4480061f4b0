"""False alarms over a year of looking every hour, and how soon a change is found: on generated streams, seeded.

Generated, not real: calls come by hours of the day and week, in bursts; each call has a latency, a length, a cost, a
chance to fail, to be refused, to be scored as unsupported and to be thumbed up. Some of it follows a load that carries
on from hour to hour. Nothing changes in the first replays: the share of monitors that ever raise an alarm may be at
most what was promised. Then a change is put into each replay at a random hour after a month, and counts as found within
the delay that was promised for its size before it came. The ratio is the share of false alarms over the promise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import ndtri

from bench._report import arguments, report
from canonry.stats.changes import Changes, Watch, even_share, find_changes, seasons
from canonry.stats.delays import promised_delay, shift_of_share

HOURS = 365 * 24
WATCH = Watch(warm_up=28 * 24, horizon=HOURS - 28 * 24)
CALLS = 60.0
"""An hour, on average."""

Stream = tuple[np.ndarray, np.ndarray]
"""Values (replays, hours), and the calls that each is made of."""


def main() -> None:
    """Run and print."""
    options = arguments(__doc__, rows=200, quick_rows=10)
    season = seasons(np.arange(HOURS))
    worlds = World(20261128, options.rows)
    rows: list[tuple[object, ...]] = []
    alarms = []
    for name, (make, changes) in METRICS.items():
        stream = make(worlds, 0.0, np.full(options.rows, HOURS))
        null = find_changes(stream[0], season, stream[1], WATCH)
        alarms.append(null.alarm >= 0)
        rows.append((f"{name}: nothing", "", float(np.mean(null.alarm >= 0)), "", ""))
        for said, size in changes.items():
            rows.append(_seeded(worlds, season, name, said, size, null))
    share = float(np.mean(alarms))
    print(f"{options.rows} generated years, {len(METRICS)} monitors each, promised {WATCH.false_alarms:.0%} a year\n")
    header = ("", "promised days, median", "alarms before", "found in time", "median days")
    report("alarms", share / WATCH.false_alarms, "lower", header, rows)


def _seeded(
    worlds: World, season: np.ndarray, name: str, said: str, size: float, null: Changes
) -> tuple[str, float, float, float, float]:
    """One line: a change put into every replay."""
    at = np.random.default_rng(7).integers(WATCH.warm_up + 28 * 24, HOURS - 60 * 24, size=worlds.replays)
    values, counts = METRICS[name][0](worlds, size, at)
    found = find_changes(values, season, counts, WATCH)
    shifts = [SHIFT[name](size, counts[stream]) for stream in range(worlds.replays)]
    promises = np.array([promised_delay(null, number, shift, WATCH) or HOURS for number, shift in enumerate(shifts)])
    before = (found.alarm >= 0) & (found.alarm < at)
    late = found.alarm - at
    in_time = (late >= 0) & (late < promises)
    return (
        f"{name}: {said}",
        float(np.median(promises)) / 24,
        float(before.mean()),
        float(in_time[~before].mean()),
        float(np.median(late[late >= 0])) / 24,
    )


class World:
    """Calls and load of each replay, hour by hour."""

    def __init__(self, seed: int, replays: int) -> None:
        self.replays, self.seed = replays, seed
        generator = np.random.default_rng(seed)
        hour = np.arange(HOURS)
        day, weekend = hour % 24, hour // 24 % 7 >= 5
        self.busy = np.where(weekend, 0.35, 1.0) * (0.3 + np.exp(-((day - 14) ** 2) / 30))
        self.busy *= CALLS / self.busy.mean()
        self.calls = generator.poisson(self.busy * generator.gamma(20, 1 / 20, (replays, HOURS)))
        self.load = np.zeros((replays, HOURS))
        for now in range(1, HOURS):
            self.load[:, now] = 0.6 * self.load[:, now - 1] + generator.normal(0, 0.8, replays)
        self.day = np.sin(2 * np.pi * (day - 9) / 24) * np.where(weekend, 0.4, 1.0)

    def lots(self, salt: int) -> np.random.Generator:
        """Of a metric: the same with a change as without."""
        return np.random.default_rng([self.seed, salt])

    def share(self, salt: int, rate: float, change: float, at: np.ndarray, of: float = 1.0) -> Stream:
        """A share of the calls (of a part `of` them), on the scale on which its noise is even."""
        lots = self.lots(salt)
        counts = lots.binomial(self.calls, of)
        odds = np.log(rate / (1 - rate)) + 0.2 * self.day + 0.1 * self.load
        chance = 1 / (1 + np.exp(-odds)) + change * _after(at)
        hits = lots.binomial(counts, np.clip(chance, 0, 1))
        return even_share(hits, counts), counts


def _latency(world: World, change: float, at: np.ndarray) -> Stream:
    # The 95th percentile of n calls: an order statistic of uniforms is beta distributed.
    lots = world.lots(1)
    n = np.maximum(world.calls, 1)
    place = np.ceil(0.95 * n)
    level = lots.beta(place, n - place + 1)
    log = 6.5 + 0.15 * world.day + 0.08 * world.load + 0.5 * ndtri(level)
    return np.where(world.calls > 0, log + np.log1p(change) * _after(at), np.nan), world.calls


def _length(world: World, change: float, at: np.ndarray) -> Stream:
    lots = world.lots(2)
    total = lots.gamma(np.maximum(world.calls, 1) * 1.5, 200 / 1.5)
    mean = np.log(total / np.maximum(world.calls, 1)) + 0.1 * world.day
    return np.where(world.calls > 0, mean + np.log1p(change) * _after(at), np.nan), world.calls


def _cost(world: World, change: float, at: np.ndarray) -> Stream:
    lots = world.lots(3)
    total = lots.gamma(np.maximum(world.calls, 1) * 0.8, 0.002 / 0.8)
    mean = np.log(total / np.maximum(world.calls, 1)) + 0.15 * world.day
    return np.where(world.calls > 0, mean + np.log1p(change) * _after(at), np.nan), world.calls


def _after(at: np.ndarray) -> np.ndarray:
    return (np.arange(HOURS) >= at[:, None]).astype(float)


METRICS: dict[str, tuple[Callable[[World, float, np.ndarray], Stream], dict[str, float]]] = {
    "quality": (
        lambda world, change, at: world.share(4, 0.85, change, at),
        {"-5 points": -0.05, "-10 points": -0.10},
    ),
    "p95 latency": (_latency, {"+30 %": 0.30}),
    "cost per call": (_cost, {"price x 2": 1.0}),
    "output length": (_length, {"+20 %": 0.20}),
    "error rate": (lambda world, change, at: world.share(5, 0.01, change, at), {"1 % to 4 %": 0.03}),
    "refusal rate": (lambda world, change, at: world.share(6, 0.03, change, at), {"3 % to 8 %": 0.05}),
    "thumbs up": (lambda world, change, at: world.share(7, 0.7, change, at, of=0.08), {"70 % to 50 %": -0.2}),
}


def _of_share(rate: float) -> Callable[[float, np.ndarray], np.ndarray]:
    return lambda size, counts: shift_of_share(counts, rate, rate + size)


def _of_log(size: float, counts: np.ndarray) -> np.ndarray:
    return np.full(len(counts), np.log1p(size))


SHIFT: dict[str, Callable[[float, np.ndarray], np.ndarray]] = {
    "quality": _of_share(0.85),
    "p95 latency": _of_log,
    "cost per call": _of_log,
    "output length": _of_log,
    "error rate": _of_share(0.01),
    "refusal rate": _of_share(0.03),
    "thumbs up": _of_share(0.7),
}


if __name__ == "__main__":
    main()
