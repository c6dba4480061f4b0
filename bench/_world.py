"""Generated years of hourly calls, seeded: not real. Bursts, seasons of day and week, and a load that carries on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

HOURS = 365 * 24
CALLS = 60.0
"""An hour, on average."""


@dataclass(frozen=True)
class Stream:
    """Hours of each replay (replays, HOURS): figures, hits where it is a share, and calls."""

    values: np.ndarray
    hits: np.ndarray
    calls: np.ndarray


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
        """A share of the calls, of a part `of` them."""
        lots = self.lots(salt)
        counts = lots.binomial(self.calls, of)
        odds = np.log(rate / (1 - rate)) + 0.2 * self.day + 0.1 * self.load
        chance = 1 / (1 + np.exp(-odds)) + change * after(at)
        hits = lots.binomial(counts, np.clip(chance, 0, 1))
        with np.errstate(invalid="ignore"):
            return Stream(hits / counts, hits, counts)


def latency(world: World, change: float, at: np.ndarray) -> Stream:
    """The 95th percentile of an hour's calls, milliseconds."""
    # The 95th percentile of n calls: an order statistic of uniforms is beta distributed.
    lots = world.lots(1)
    n = np.maximum(world.calls, 1)
    place = np.ceil(0.95 * n)
    level = lots.beta(place, n - place + 1)
    log = 6.5 + 0.15 * world.day + 0.08 * world.load + 0.5 * ndtri(level)
    return _positive(world, log + np.log1p(change) * after(at))


def length(world: World, change: float, at: np.ndarray) -> Stream:
    """Mean tokens of an answer."""
    lots = world.lots(2)
    total = lots.gamma(np.maximum(world.calls, 1) * 1.5, 200 / 1.5)
    mean = np.log(total / np.maximum(world.calls, 1)) + 0.1 * world.day
    return _positive(world, mean + np.log1p(change) * after(at))


def cost(world: World, change: float, at: np.ndarray) -> Stream:
    """Mean cost of a call, US dollars."""
    lots = world.lots(3)
    total = lots.gamma(np.maximum(world.calls, 1) * 0.8, 0.002 / 0.8)
    mean = np.log(total / np.maximum(world.calls, 1)) + 0.15 * world.day
    return _positive(world, mean + np.log1p(change) * after(at))


def after(at: np.ndarray) -> np.ndarray:
    """(replays, HOURS) 1 from the hour of the change on."""
    return (np.arange(HOURS) >= at[:, None]).astype(float)


def _positive(world: World, log: np.ndarray) -> Stream:
    return Stream(np.where(world.calls > 0, np.exp(log), np.nan), np.zeros_like(world.calls), world.calls)
