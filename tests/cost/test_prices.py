from __future__ import annotations

import datetime as dt

import pytest

from canonry.cost import PriceError, price_snapshot
from canonry.cost.prices import FOLDER, read_snapshot
from canonry.storage import Zones

NOW = dt.datetime(2026, 11, 4, 9, 30, tzinfo=dt.timezone(dt.timedelta(hours=1)))


def test_a_price_list_is_journalled_once_and_keeps_the_time_it_was_first_taken(zones: Zones) -> None:
    first = price_snapshot(zones, NOW)
    entries = [(entry.path, zones.journal.read(entry.path)) for entry in zones.journal.list(FOLDER)]
    again = price_snapshot(zones, NOW + dt.timedelta(days=30))
    assert first.taken_at == again.taken_at == dt.datetime(2026, 11, 4, 8, 30)
    assert first.version.startswith("genai-prices-") and first.digest == again.digest
    assert entries == [(entry.path, zones.journal.read(entry.path)) for entry in zones.journal.list(FOLDER)]
    assert len(entries) == 2


def test_another_version_of_the_package_makes_another_entry(zones: Zones, monkeypatch: pytest.MonkeyPatch) -> None:
    first = price_snapshot(zones, NOW)
    monkeypatch.setattr("genai_prices.__version__", "99.0")
    second = price_snapshot(zones, NOW)
    assert second.version == "genai-prices-99.0"
    assert read_snapshot(zones.journal, first.version).table.equals(first.table)


def test_prices_that_changed_under_the_same_version_are_refused(zones: Zones, monkeypatch: pytest.MonkeyPatch) -> None:
    price_snapshot(zones, NOW)
    monkeypatch.setattr("canonry.cost.prices.flatten", lambda _: read_snapshot(zones.journal, version).table.slice(1))
    version = next(zones.journal.list(FOLDER)).path.split("/")[-1].removesuffix(".json")
    with pytest.raises(PriceError, match="turn off whatever updates them"):
        price_snapshot(zones, NOW)


def test_a_damaged_price_table_is_noticed(zones: Zones) -> None:
    snapshot = price_snapshot(zones, NOW)
    entry = zones.journal.read(f"{FOLDER}/{snapshot.version}.json")
    zones.journal.put(f"{FOLDER}/{snapshot.version}.json", entry.replace(snapshot.digest.encode(), b"0" * 64))
    with pytest.raises(PriceError, match="damaged"):
        read_snapshot(zones.journal, snapshot.version)
