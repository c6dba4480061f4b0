"""A gold set comes whole or by split, of one version, and nothing else is taken for one."""

from __future__ import annotations

import pytest

from canonry import client, release
from canonry.client import Damaged, NotReleased, ReleaseError
from canonry.label.gold.build import ITEMS
from canonry.storage import Zones
from tests.released import NOW, release_gold

NAME = "groundedness"


def test_a_gold_set_comes_whole_and_by_split(home: Zones) -> None:
    version = release_gold(home).version
    gold = client.read_gold(NAME, home=home.home)
    assert (gold.name, gold.version, gold.items.schema) == (NAME, version, ITEMS)
    assert gold.split("test")["item_id"].to_pylist() == ["a"]
    assert gold.split("calibration").num_rows == 0
    with pytest.raises(ValueError, match="split 'dev' is not one of train, calibration, test"):
        gold.split("dev")
    assert client.read_gold(NAME, version=version, home=home.home).items.equals(gold.items)


def test_a_channel_without_a_set_and_a_set_that_was_changed_are_refused(home: Zones) -> None:
    version = release_gold(home).version
    with pytest.raises(NotReleased):
        client.read_gold(NAME, channel="candidate", home=home.home)
    path = f"gold/{NAME}/releases/{version}/items.parquet"
    home.published.put(path, home.published.read(path)[:-1] + b"?")
    with pytest.raises(Damaged, match=r"items\.parquet"):
        client.read_gold(NAME, home=home.home)


def test_what_was_released_before_there_were_splits_is_said_to_be_so(home: Zones) -> None:
    old = release.publish(home.published, "gold", NAME, {"gold.parquet": b"x"}, metadata={}, lineage={}, now=NOW)
    with pytest.raises(ReleaseError, match=r"has no items\.parquet and no datasheet\.json"):
        client.read_gold(NAME, version=old.version, home=home.home)
