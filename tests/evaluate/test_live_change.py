"""Streams that change are found, told with their cause, and over when they are back or have become usual."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from canonry import lake
from canonry.alerts import every
from canonry.catalog.specs import Change
from canonry.evaluate.measures.explained import around, cause_of
from canonry.evaluate.monitors import look, watch
from canonry.evaluate.promises import promises
from canonry.evaluate.streams import write_streams
from canonry.storage import open_zones
from tests.evaluate.live_calls import MONDAY, catalog_of, end_of, generated, monitor, since, write

LENGTH = monitor("output_length", slice=["product"], change={"find": 0.3, "warm_up_days": 14})
DAYS = [MONDAY + dt.timedelta(days=number) for number in range(60)]


@pytest.fixture
def zones(tmp_path):
    return open_zones(tmp_path)


def longer(first, last=99, by=1.8, product=None, **swapped):
    def change(calls):
        where = since(first)(calls) & ~since(last)(calls)
        where = where & (calls["product"] == product) if product else where
        calls = calls.assign(output_tokens=np.where(where, calls["output_tokens"] * by, calls["output_tokens"]).round())
        for name, value in swapped.items():
            calls[name] = np.where(where, value, calls[name])
        return calls

    return change


def found(zones, catalog, at):
    write_streams(zones, catalog, DAYS, at)
    return {each.slice.get("product"): each for each in look(zones, catalog, "length", at)}


def test_a_silent_update_of_the_provider_is_found_in_every_product_and_named(zones):
    write(zones, generated(24, change=longer(20, system_fingerprint="fp_b")))
    catalog = catalog_of(length=LENGTH)
    assert {each.state for each in found(zones, catalog, end_of(19)).values()} == {"holds"}
    after = found(zones, catalog, end_of(21))
    assert after["search"].state == "broken"
    assert after["search"].cause.kind == "provider"
    assert after["search"].cause.said.startswith("silent provider update: system_fingerprint from fp_a")
    assert "output length rose from 2" in after["search"].said
    assert abs((after["search"].since - dt.datetime(2026, 10, 25)).total_seconds()) <= 12 * 3600


def test_one_product_that_is_otherwise_is_told_from_its_model(zones):
    write(zones, generated(24, a_day=480, change=longer(18, product="search")))
    after = found(zones, catalog_of(length=LENGTH), end_of(22))
    assert (after["search"].state, after["support"].state) == ("broken", "holds")
    assert (after["search"].cause.kind, after["search"].cause.field) == ("product", "product")


def test_a_new_prompt_is_the_cause_by_its_version(zones):
    write(zones, generated(24, change=longer(18, product="search", prompt_version="4")))
    cause = found(zones, catalog_of(length=LENGTH), end_of(22))["search"].cause
    assert (cause.kind, cause.field) == ("swap", "prompt_version")


def test_a_stream_is_first_learnt_and_one_of_few_calls_is_not_judged(zones):
    write(zones, generated(20))
    assert "learns until 19 Oct 00:00" in found(zones, catalog_of(length=LENGTH), end_of(12))["search"].said
    few = catalog_of(length=LENGTH.model_copy(update={"minimum_calls": 1000}))
    found_now = found(zones, few, end_of(19))["support"]
    assert found_now.state == "unknown"
    assert "calls a day, fewer than 1000" in found_now.said


def test_an_incident_ends_when_the_stream_is_back_and_another_change_is_found_after_it(zones):
    write(zones, generated(32, a_day=480, change=lambda calls: longer(26)(longer(17, 20)(calls))))
    catalog = catalog_of(length=LENGTH.model_copy(update={"slice": (), "reopen_hours": 24}))
    watch(zones, catalog, DAYS[:32], end_of(31))
    first, second = every(zones.journal)
    assert [entry.what for entry in first.turns] == ["opened", "resolved"]
    assert first.turns[1].said.endswith("back to what it was")
    assert DAYS[20] <= first.turns[1].at.date() <= DAYS[24]
    assert second.state == "open"
    assert abs((second.turns[0].at.date() - DAYS[27]).days) <= 1


def test_what_lasts_two_weeks_has_become_usual_and_is_learnt(zones):
    write(zones, generated(54, a_day=360, change=lambda calls: longer(50, by=2.5)(longer(17, by=1.8)(calls))))
    catalog = catalog_of(length=LENGTH.model_copy(update={"slice": ()}))
    looked = watch(zones, catalog, DAYS[:54], end_of(53))
    whats = [entry.what for each in every(zones.journal) for entry in each.turns]
    assert whats == ["opened", "resolved", "opened"]
    first = next(every(zones.journal))
    assert first.turns[1].said.endswith("usual by now")
    learning = [each.at.date() for each in looked if each.findings["length"][0].state == "unknown"]
    assert DAYS[34] not in learning


def test_streams_are_written_once_and_again_only_where_calls_changed(zones):
    calls = generated(16)
    write(zones, calls)
    catalog = catalog_of(length=LENGTH)
    assert write_streams(zones, catalog, DAYS[:16], end_of(15)) == 16
    before = lake.manifest(zones.lake, "streams", DAYS[3])
    assert write_streams(zones, catalog, DAYS[:16], end_of(15)) == 0
    write(zones, calls[calls["inference_id"] != f"{DAYS[3]}-0"])
    assert write_streams(zones, catalog, DAYS[:16], end_of(15)) == 1
    assert lake.manifest(zones.lake, "streams", DAYS[3]) != before


def test_a_monitor_says_how_soon_it_finds_what_it_looks_for(zones):
    write(zones, generated(24))
    large, small = (LENGTH.model_copy(update={"change": Change(find=size, warm_up_days=14)}) for size in (0.8, 0.02))
    catalog = catalog_of(large=large, small=small)
    found = {(each.monitor, each.slice["product"]): each for each in promises(zones, catalog, end_of(23))}
    assert 6 < found["large", "search"].hours < found["large", "support"].hours < 24 * 14
    assert "search: finds +80% of output length within" in found["large", "search"].said
    assert found["small", "support"].hours is None
    assert "too few calls" in found["small", "support"].said


def test_an_hour_that_is_not_over_is_left_out(zones):
    write(zones, generated(1))
    write_streams(zones, catalog_of(length=LENGTH), DAYS[:1], dt.datetime(2026, 10, 5, 12, 30))
    assert max(lake.read(zones.lake, "streams", DAYS[:1])["hour"].to_pylist()) == dt.datetime(2026, 10, 5, 11)


def test_a_change_that_counts_from_weeks_ago_is_explained_by_the_latest_calls():
    calls = generated(28, change=longer(26, prompt_version="4"))
    first, end = (dt.datetime.combine(MONDAY + dt.timedelta(days=day), dt.time()) for day in (8, 28))
    near = around(calls, first, end)
    assert set(near["started_at"].dt.date) == {*DAYS[1:8], *DAYS[21:28]}
    cause = cause_of("output_length", near, near, {}, first)
    assert (cause.kind, cause.field) == ("swap", "prompt_version")
