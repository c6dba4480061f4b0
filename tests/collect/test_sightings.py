"""Which logged calls are one call: a function of the set of sightings; a cached answer is not taken for its first."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from typing import Any

import pytest

from canonry.collect.sightings import SLACK, Sighting, calls, digest, one_call

NOON = dt.datetime(2026, 3, 10, 12)
SECOND = dt.timedelta(seconds=1)
TRACES = ["0af7651916cd43dd8448eb211c80319c", "1af7651916cd43dd8448eb211c80319c"]


def sighting(name: str, at: float = 0, lasts: float | None = 1, by: str | None = "sdk", **more: Any) -> Sighting:
    """A sighting of response r at so many seconds after noon."""
    started = NOON + at * SECOND
    values: dict[str, Any] = {
        "id": name,
        "response_id": "r",
        "trace_id": None,
        "started_at": started,
        "ended_at": None if lasts is None else started + lasts * SECOND,
        "source": "shop",
        "logged_by": by,
        "cache_hit": None,
        "received_at": NOON,
        "digest": name,
        "segment": "s",
        "day": NOON.date(),
    }
    return Sighting(**{**values, **more})


def grouped(*sightings: Sighting) -> list[set[str]]:
    found = [{each.id for each in call} for call in calls(sightings)]
    return sorted(found, key=min)


SDK = sighting("a")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (sighting("b", 0.1, 0.5, by="gateway"), True),
        (sighting("b", 0.1, 0.5), False),
        (sighting("b", 0.1, 0.5, source="desk"), True),
        (sighting("b", 0.1, 0.5, by=None), True),
        (sighting("b", 1 + SLACK.total_seconds(), by="gateway"), True),
        (sighting("b", 1.1 + SLACK.total_seconds(), by="gateway"), False),
        (sighting("b", -1 - SLACK.total_seconds(), by="gateway"), True),
        (sighting("b", -1.1 - SLACK.total_seconds(), by="gateway"), False),
        (sighting("b", -5, None, by="gateway"), True),
        (sighting("b", by="gateway", trace_id=TRACES[0]), True),
    ],
)
def test_two_sightings_of_one_response(other, same):
    assert one_call(SDK, other) is one_call(other, SDK) is same


def test_an_observer_without_a_name_is_believed_where_times_meet():
    assert one_call(sighting("a", by=None), sighting("b", 0.9, by=None))
    assert not one_call(sighting("a", by=None), sighting("b", 1.1, by=None))
    assert one_call(sighting("a", by=None), sighting("b", 1.1, None, by=None))


def test_two_traces_are_two_calls_where_both_are_w3c():
    first = sighting("a", trace_id=TRACES[0])
    assert not one_call(first, sighting("b", by="gateway", trace_id=TRACES[1]))
    assert one_call(first, sighting("b", by="gateway", trace_id="a conversation"))


def test_a_cached_answer_is_another_call_than_the_first():
    first = sighting("a", by="gateway", cache_hit=False)
    assert not one_call(first, sighting("b", source="desk", cache_hit=True))
    assert one_call(sighting("c"), sighting("b", by="gateway", cache_hit=True))


def test_every_cached_answer_finds_its_own_two_sightings_whatever_the_order():
    seen = []
    for number in range(6):
        at = number * 3.0
        seen.append(sighting(f"sdk {number}", at, 0.5))
        seen.append(sighting(f"gateway {number}", at + 0.1, 0.3, by="gateway", cache_hit=number > 0))
    expected = [{f"gateway {number}", f"sdk {number}"} for number in range(6)]
    for seed in range(20):
        random.Random(seed).shuffle(seen)
        assert grouped(*seen) == expected


def test_one_that_lost_its_other_half_takes_nobody_elses():
    found = grouped(
        sighting("sdk 1", 0, 0.5),
        sighting("sdk 2", 3, 0.5),
        sighting("gateway 2", 3.1, 0.3, by="gateway"),
        sighting("sdk 3", 6, 0.5),
        sighting("gateway 3", 6.1, 0.3, by="gateway"),
    )
    assert found == [{"gateway 2", "sdk 2"}, {"gateway 3", "sdk 3"}, {"sdk 1"}]


def test_three_that_saw_one_call_are_one_in_the_order_in_which_they_count():
    three = [
        sighting("a", received_at=NOON + SECOND),
        sighting("b", by="gateway", digest="2"),
        sighting("c", by="log", digest="1"),
    ]
    for order in itertools.permutations(three):
        assert [[each.id for each in call] for call in calls(order)] == [["c", "b", "a"]]


def test_other_responses_are_other_calls():
    assert grouped(sighting("a"), sighting("b", by="gateway", response_id="q")) == [{"a"}, {"b"}]


def test_a_response_repeated_all_day_is_told_apart_quickly():
    seen = [sighting(f"{by} {n}", n * 5.0, 0.1, by=by) for n in range(17_000) for by in ("sdk", "gateway")]
    assert all(len(call) == 2 for call in calls(seen))


def test_the_digest_is_of_the_set():
    seen = [sighting(name) for name in "abc"]
    assert digest(seen) == digest(seen[::-1]) != digest(seen[:2])
    assert digest([]) is None
