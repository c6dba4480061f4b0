"""False alarms over a year of looking every hour, how soon a change is found, and whether its cause is named rightly.

Monitors as they run: the same quarters, the same watch of their streams, the same explanation, on generated years of
hourly data with seasons of day and week (bench/_world.py; not real, seeded) and on real scores of summaries of two
models that are swapped. Nothing changes in the first replays: the share of monitors that ever raise an alarm may be at
most what was promised. Then a change is put into each replay at a random hour, and counts as found where the alarm
comes within the delay that was promised for its size before it came. The ratio is the share of changes that are found
so, or 0 where there were more false alarms than promised.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench import _causes
from bench._report import arguments, report
from bench._swaps import Swaps
from bench._world import HOURS, Stream, World, cost, latency, length
from canonry.catalog.specs import Change
from canonry.evaluate.shifts import Quarter, Watched, find_in, promise, quarters, scaled, watch_streams

WARM_UP = 28 * 24
FALSE_ALARMS = 0.05

Make = Callable[[World, float, np.ndarray], Stream]


@dataclass(frozen=True)
class Metric:
    """A measure on a generated stream, its level, and the changes that are put in: in words, and their size."""

    measure: str
    level: float
    make: Make
    changes: dict[str, float]


METRICS = {
    "quality score": Metric(
        "score", 0.85, lambda world, size, at: world.share(4, 0.85, size, at), {"-5 points": -0.05, "-10 points": -0.10}
    ),
    "p95 latency": Metric("latency_p95", 0.0, latency, {"+30 %": 0.30}),
    "cost per call": Metric("cost_per_call", 0.0, cost, {"price x 2": 1.0}),
    "output length": Metric("output_length", 0.0, length, {"+20 %": 0.20}),
    "error rate": Metric(
        "error_rate", 0.01, lambda world, size, at: world.share(5, 0.01, size, at), {"1 % to 4 %": 0.03}
    ),
    "refusal rate": Metric(
        "refusal_rate", 0.03, lambda world, size, at: world.share(6, 0.03, size, at), {"3 % to 8 %": 0.05}
    ),
}

Looks = list[tuple[Quarter, list[Watched]]]
"""What each quarter's watch found of every replay."""


def main() -> None:
    """Run and print."""
    options = arguments(__doc__, rows=200, quick_rows=10)
    world, nobody = World(20261128, options.rows), np.full(options.rows, HOURS)
    swaps = Swaps(options.data, options.rows)
    rows: list[tuple[object, ...]] = []
    alarms, shares = [], []
    for name, metric in METRICS.items():
        null = looked(metric.measure, metric.make(world, 0.0, nobody), metric.changes)
        alarms.append(first_alarms(null)[0] >= 0)
        rows.append((f"{name}: nothing", "", "", float(alarms[-1].mean()), "", "", ""))
        for said, size in metric.changes.items():
            at = moments(options.rows)
            stream = metric.make(world, size, at)
            sizes = [find_in(metric.measure, size, stream.calls[each], metric.level) for each in range(options.rows)]
            cause = _causes.Scenario.of(metric.measure, said, size, stream.calls)
            row, share = seeded(f"{name}: {said}", metric.measure, null, stream, at, sizes, size, cause.named)
            rows.append(row)
            shares.append(share)
    null = looked("score", swaps.stream(nobody), {"": -0.05})
    alarms.append(first_alarms(null)[0] >= 0)
    rows.append(("model swap (real scores): nothing", "", "", float(alarms[-1].mean()), "", "", ""))
    at = moments(options.rows)
    sizes = [np.full(HOURS, size) for size in swaps.sizes]
    row, share = seeded("model swap (real scores)", "score", null, swaps.stream(at), at, sizes, -0.05, swaps.named)
    rows.append(row)
    shares.append(share)
    false = float(np.mean(alarms))
    kept = false <= FALSE_ALARMS
    print(
        f"{options.rows} years, {len(alarms)} monitors each: {false:.1%} ever raised a false alarm, promised ", end=""
    )
    print(f"{FALSE_ALARMS:.0%} a year: {'kept' if kept else 'NOT kept'}\n")
    header = ("", "promised days", "a promise", "ever alarm", "found in time", "median days", "right cause")
    report("alarms", float(np.mean(shares)) if kept else 0.0, "higher", header, rows)


def moments(replays: int) -> np.ndarray:
    """Hours at which changes are put in."""
    return np.random.default_rng(7).integers(WARM_UP + 28 * 24, HOURS - 60 * 24, size=replays)


def looked(measure: str, stream: Stream, changes: dict[str, float]) -> Looks:
    """Every quarter of a monitor that looks for one of these changes, or for its opposite."""
    change = Change(false_alarms=FALSE_ALARMS, find=next(iter(changes.values())), warm_up_days=WARM_UP // 24)
    values = scaled(measure, stream.values, stream.hits, stream.calls)
    return [
        (
            each,
            watch_streams(
                values[:, each.start : each.end],
                stream.calls[:, each.start : each.end],
                change,
                start=each.start,
                first=each.first,
                slices=1,
            ),
        )
        for each in quarters(0, HOURS, WARM_UP)
    ]


def first_alarms(looks: Looks, since: np.ndarray | int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(B,) the first hour since then at which each replay's monitor raises an alarm, -1 for never; and from which hour
    it says that the change counts."""
    replays = len(looks[0][1])
    alarm, began = np.full(replays, -1), np.full(replays, -1)
    for quarter, found in looks:
        for replay, watched in enumerate(found):
            if watched.shift is None:
                continue
            seen = max(watched.shift.alarm, quarter.seen)
            if seen >= np.broadcast_to(since, replays)[replay] and (alarm[replay] < 0 or seen < alarm[replay]):
                alarm[replay], began[replay] = seen, watched.shift.since
    return alarm, began


def seeded(
    name: str,
    measure: str,
    null: Looks,
    stream: Stream,
    at: np.ndarray,
    shifts: list[np.ndarray],
    size: float,
    named: Callable[[int, int, int, int], bool],
) -> tuple[tuple[object, ...], float]:
    """One line, a change put into every replay; and the share found in time of those that had no alarm before."""
    found = looked(measure, stream, {"": size})
    alarm, began = first_alarms(found)
    promises = np.array([_promised(null, replay, int(at[replay]), shifts[replay]) for replay in range(len(at))])
    before = (alarm >= 0) & (alarm < at)
    promised = (promises > 0) & ~before
    late = alarm - at
    in_time = (late >= 0) & (late < promises)
    share = float(in_time[promised].mean()) if promised.any() else 0.0
    judged = np.flatnonzero(in_time & promised)[: _causes.MOST]
    right = float(np.mean([named(each, int(at[each]), int(began[each]), int(alarm[each])) for each in judged]))
    row = (
        name,
        float(np.median(promises[promised])) / 24,
        float((promises > 0).mean()),
        float(before.mean()),
        share,
        float(np.median(late[late >= 0])) / 24,
        right,
    )
    return row, share


def _promised(null: Looks, replay: int, at: int, shift: np.ndarray) -> int:
    """Hours that the monitor promises before the change comes, from the quarter that it then watches; 0 for none."""
    quarter, found = next((each, found) for each, found in null if each.seen <= at < each.end)
    return promise(found[replay], shift[quarter.start : quarter.end]) or 0


if __name__ == "__main__":
    main()
