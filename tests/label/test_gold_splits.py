"""Which split an item is in: for ever, and no group in two."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from canonry.catalog.specs import Splits
from canonry.label.gold.splits import assign, groups, settle
from canonry.storage import open_storage

SHARES = Splits()
OTHER = Splits(train=0.2, calibration=0.1, test=0.7)

# An item has its own key and some of a few sessions and questions, so that they meet often.
ITEM = st.tuples(st.integers(0, 30), st.lists(st.integers(0, 25), max_size=3))
GROWTH = st.lists(st.tuples(st.booleans(), st.lists(ITEM, max_size=12)), min_size=1, max_size=6)


@settings(max_examples=300, deadline=None)
@given(GROWTH)
def test_no_group_is_ever_in_two_splits_and_nothing_moves(growth) -> None:
    """Sets that grow, whose shares change, and whose items change their session or question later."""
    known: dict[str, str] = {}
    items: dict[str, list[str]] = {}
    was: dict[str, str] = {}
    of_key: dict[str, str] = {}
    for changed, news in growth:
        items |= {f"item:{name}": [f"item:{name}", *(f"session:{each}" for each in keys)] for name, keys in news}
        found = assign("gold", items, known, OTHER if changed else SHARES)
        assert assign("gold", dict(reversed(items.items())), known, OTHER if changed else SHARES) == found
        assert found.split.keys() | found.bridging.keys() == items.keys()
        assert not found.split.keys() & found.bridging.keys()
        known |= found.fresh
        splits_of_group: dict[str, set[str]] = {}
        for item, group in groups({item: items[item] for item in found.split}).items():
            splits_of_group.setdefault(group, set()).add(found.split[item])
        assert all(len(splits) == 1 for splits in splits_of_group.values())
        for item, split in found.split.items():
            assert was.setdefault(item, split) == split
            for each in items[item]:
                assert of_key.setdefault(each, split) == split


def test_an_item_that_joins_two_splits_is_left_out_and_moves_nothing() -> None:
    known = {"item:a": "train", "session:1": "train", "item:b": "test", "question:2": "test"}
    items = {"a": ["item:a", "session:1"], "b": ["item:b", "question:2"], "c": ["item:c", "session:1", "question:2"]}
    found = assign("gold", items, known, SHARES)
    assert found.split == {"a": "train", "b": "test"}
    assert found.bridging == {"c": ("test", "train")}
    assert "item:c" not in found.fresh


def test_two_groups_that_turn_out_to_be_one_go_to_the_more_protected_split() -> None:
    known = {"item:a": "train", "item:b": "test"}
    found = assign("gold", {"a": ["item:a", "session:new"], "b": ["item:b", "session:new"]}, known, SHARES)
    assert found.split == {"b": "test"}
    assert found.bridging == {"a": ("test", "train")}
    assert found.fresh == {"session:new": "test"}


def test_shares_are_about_those_asked_for_and_the_journal_keeps_them(tmp_path) -> None:
    journal = open_storage(str(tmp_path))
    items = {f"{each}": [f"item:{each}"] for each in range(2_000)}
    found = settle(journal, "gold", items, SHARES)
    counts = [sum(split == name for split in found.split.values()) for name in ("train", "calibration", "test")]
    assert all(abs(count - 2_000 * share) < 90 for count, share in zip(counts, (0.6, 0.2, 0.2), strict=True))
    more = items | {"new": ["item:new"]}
    again = settle(journal, "gold", more, OTHER)
    assert {item: again.split[item] for item in items} == found.split
    assert settle(journal, "gold", more, SHARES).fresh == {}
    assert len(list(journal.list("splits/gold"))) == 2
