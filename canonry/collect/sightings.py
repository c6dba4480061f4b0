"""Which of the calls that were logged are one call, seen twice: by a gateway's log and an SDK's span, say.

They share the provider's id of the response. That alone does not make them one call: a gateway that answers from its
cache gives the same response, with the same id, again and again. So, of two sightings of one response, these are not
of one call:

- those of one observer that has a name (an instrumentation, a gateway): it logs each call once;
- those in two traces, where both name one as W3C does;
- an answer from the cache and one that was not;
- those whose times do not meet, give or take what the clocks of two machines differ by.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import astuple, dataclass

SLACK = dt.timedelta(seconds=10)
"""By how much the clocks of two machines may differ."""

_W3C = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Sighting:
    """One logged call, as far as it tells whether another is the same. `ended_at` is None where no latency is said."""

    id: str
    response_id: str
    trace_id: str | None
    started_at: dt.datetime
    ended_at: dt.datetime | None
    source: str
    logged_by: str | None
    cache_hit: bool | None
    received_at: dt.datetime
    digest: str
    segment: str
    day: dt.date

    @property
    def rank(self) -> tuple[dt.datetime, str, str]:
        """Of the sightings of a call the smallest counts."""
        return self.received_at, self.digest, self.id


def one_call(one: Sighting, other: Sighting) -> bool:
    """Whether two sightings of one response may be of one call."""
    if None not in (one.cache_hit, other.cache_hit) and one.cache_hit != other.cache_hit:
        return False
    traces = [each.trace_id for each in (one, other) if each.trace_id and _W3C.fullmatch(each.trace_id)]
    if len(set(traces)) > 1:
        return False
    slack = SLACK
    if (one.source, one.logged_by) == (other.source, other.logged_by):
        if one.logged_by is not None:
            return False
        if one.ended_at and other.ended_at:
            slack = dt.timedelta(0)
    first, last = sorted((one, other), key=lambda each: each.started_at)
    return last.started_at <= (first.ended_at or first.started_at) + slack


def calls(sightings: Iterable[Sighting]) -> list[list[Sighting]]:
    """Sightings by the call they are of, those of each in the order in which they count; a function of the set alone.

    In the order of time, each goes to the call that began nearest to it, of those with none that it cannot be one with.
    """
    by_response: dict[str, list[Sighting]] = defaultdict(list)
    for each in sightings:
        by_response[each.response_id].append(each)
    found: list[list[Sighting]] = []
    for of_response in by_response.values():
        open_calls: list[list[Sighting]] = []
        for each in sorted(of_response, key=lambda each: (each.started_at, each.id)):
            open_calls = [call for call in open_calls if each.started_at <= max(map(_end, call)) + SLACK]
            fitting = [call for call in open_calls if all(one_call(each, other) for other in call)]
            if fitting:
                min(fitting, key=lambda call: each.started_at - call[0].started_at).append(each)
            else:
                open_calls.append([each])
                found.append(open_calls[-1])
    return [sorted(call, key=lambda each: each.rank) for call in found]


def digest(sightings: Iterable[Sighting]) -> str | None:
    """Of all that `calls` depends on; None of none."""
    told = sorted(map(astuple, sightings), key=repr)
    return hashlib.sha256(repr(told).encode()).hexdigest() if told else None


def _end(sighting: Sighting) -> dt.datetime:
    return sighting.ended_at or sighting.started_at
