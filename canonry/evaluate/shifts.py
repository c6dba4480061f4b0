"""Shifts of live streams, as monitors promise them: a year's false alarms shared by quarters and by slices.

A stream is watched a quarter of 13 weeks at a time, on its own past of a few weeks: a look reads a bounded past. Its
part of the year's chance costs nothing: with a fourth of the hours the bet on each is four times as large. A quarter is
watched for two weeks more, and only then the next one, from its beginning: a change at its end is not lost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from canonry.catalog.specs import Change
from canonry.stats.changes import LAGS, Changes, Watch, even_share, find_changes, seasons
from canonry.stats.delays import promised_delay, shift_of_share

QUARTER = 91 * 24
"""Hours of a quarter. They are counted from hour 0, a Monday's midnight."""

OVERLAP = 14 * 24
"""Hours for which a quarter is still watched after its end."""

YEAR = 365 * 24
"""Hours for which a monitor's chance of a false alarm is promised."""

SETTLED = 14 * 24
"""Hours after an alarm from which what changed is taken for usual, and learnt."""

_DAY = 24

LEAST = 2 * (15 + LAGS)
"""Hours with a value that must be learnt from."""

SHARES = frozenset({"error_rate", "refusal_rate"})
ADDITIVE = frozenset({"score"})


@dataclass(frozen=True)
class Shift:
    """What was found of one stream."""

    alarm: int
    """Hour of the first alarm."""
    since: int
    """Hour from which the shift counts."""
    evidence: float
    """e-value then; under no change it reaches `needed` with at most the promised chance."""
    needed: float


@dataclass(frozen=True)
class Watched:
    """One stream over the hours that were looked at."""

    first: int
    """Hour from which alarms count; what lies before was learnt from."""
    shift: Shift | None
    found: Changes
    counts: np.ndarray
    watch: Watch


def scaled(measure: str, values: np.ndarray, hits: np.ndarray, calls: np.ndarray, *, share: bool = False) -> np.ndarray:
    """Hours' figures on a scale on which their noise is even: shares by their arcsine, what is above 0 by its log."""
    if share or measure in SHARES:
        return even_share(hits, calls)
    if measure in ADDITIVE:
        return np.asarray(values, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.asarray(values) > 0, np.log(values), np.nan)


def watch_streams(
    values: np.ndarray, counts: np.ndarray | None, change: Change, *, start: int, slices: int, first: int
) -> list[Watched]:
    """Look at B streams (B, T), scaled, of one quarter; `start`: hour of the first column; `first`: from which alarms
    count. `slices`: how many streams share the monitor's chance of a false alarm.

    Raises ValueError where fewer hours lie before `first` than can be learnt from.
    """
    horizon = quarter_of(first) + QUARTER + OVERLAP - first
    watch = Watch(
        warm_up=first - start,
        horizon=horizon,
        false_alarms=change.false_alarms * horizon / (YEAR * (QUARTER + OVERLAP) / QUARTER) / slices,
        up=change.shift != "down",
        down=change.shift != "up",
    )
    season = seasons(np.arange(start, start + values.shape[1]))
    found = find_changes(values, season, counts, watch)
    sizes = np.ones_like(values) if counts is None else counts
    return [_watched(found, stream, start, first, sizes[stream], watch) for stream in range(len(values))]


def quarter_of(hour: int) -> int:
    """First hour of the quarter that an hour lies in."""
    return hour // QUARTER * QUARTER


def in_force(hour: int) -> int:
    """First hour of the quarter that is watched at an hour."""
    return quarter_of(hour - OVERLAP)


@dataclass(frozen=True)
class Quarter:
    """The hours of one quarter's watch of a stream."""

    start: int
    """From which is learnt."""
    first: int
    """From which alarms count."""
    seen: int
    """From which this quarter is the one that is watched: an earlier alarm of it is seen then."""
    end: int


def quarters(start: int, end: int, warm_up: int) -> list[Quarter]:
    """Every quarter's watch of a stream that has hours from `start` to before `end`."""
    found: list[Quarter] = []
    first = start + warm_up
    while first < end:
        quarter = quarter_of(first)
        seen = quarter + OVERLAP if found else first
        found.append(Quarter(first - warm_up, first, min(seen, end), min(quarter + QUARTER + OVERLAP, end)))
        first = quarter + QUARTER
    return [each for each in found if each.seen < end]


def find_in(measure: str, size: float, calls: np.ndarray, level: float, *, share: bool = False) -> np.ndarray:
    """(T,) how far a change of this size moves each hour's figure on its scale: a difference, or a ratio less one."""
    if share or measure in SHARES:
        return shift_of_share(calls, level, min(max(level + size, 0.0), 1.0))
    return np.full(len(calls), size if measure in ADDITIVE else math.log1p(size))


def promise(watched: Watched, shift: np.ndarray) -> int | None:
    """Hours within which such a shift is found in nine cases of ten; None where the volume allows no promise.

    The delay of nineteen simulated cases of twenty: what is simulated from one stream's past is not known exactly.
    """
    return promised_delay(watched.found, 0, shift, watched.watch, share=0.95)


def ended(watched: Watched, values: np.ndarray, *, start: int, end: int) -> Literal["usual", "back"] | None:
    """How a shift of a stream (T,) from hour `start` is over at hour `end`, if it is.

    `usual`: it has lasted so long that it is learnt; `back`: the last day is nearer to what was before.
    """
    shift = watched.shift
    if shift is None:
        return None
    if end - shift.alarm >= SETTLED:
        return "usual"
    since, alarm, recent = (max(each - start, 0) for each in (shift.since, shift.alarm + 1, end - _DAY))
    if recent <= alarm:
        return None
    season = seasons(np.arange(start, start + len(values)))
    known = ~np.isnan(values)
    past = known & (np.arange(len(known)) < since)
    weights, *_ = np.linalg.lstsq(season[past], values[past], rcond=None)
    off = values - season @ weights
    then, lately = off[since:alarm][known[since:alarm]], off[recent:][known[recent:]]
    if len(lately) < _DAY // 4 or not len(then):
        return None
    # Hours of few calls tell little: the last day must surely lie nearer to what was before.
    doubt = max(float(off[past].std()), float(lately.std())) * np.sqrt(2 / len(lately))
    return "back" if abs(lately.mean()) + doubt < abs(then.mean()) / 2 else None


def _watched(found: Changes, stream: int, start: int, first: int, counts: np.ndarray, watch: Watch) -> Watched:
    own = Changes(
        found.residual[stream : stream + 1],
        found.deviation[stream : stream + 1],
        found.evidence[stream : stream + 1],
        found.alarm[stream : stream + 1],
        found.since[stream : stream + 1],
        found.shift[stream : stream + 1],
        found.carried[stream : stream + 1],
        found.threshold,
    )
    alarm = int(found.alarm[stream])
    shift = None
    if alarm >= 0:
        evidence = math.exp(min(float(found.evidence[stream, alarm]), 700.0))
        shift = Shift(start + alarm, start + int(found.since[stream]), evidence, math.exp(found.threshold))
    return Watched(first, shift, own, counts, watch)
